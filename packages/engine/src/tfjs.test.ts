import { tensor } from '@niceflow/core'
import { dropoutDraws, paperMnist } from '@niceflow/flow'
import { openSession } from '@niceflow/runtime-node'
import * as tf from '@tensorflow/tfjs'
import { describe, expect, it } from 'vitest'
import type { Engine, EngineModel } from './engine.ts'
import { engineLaws, largest, problem } from './laws.fixture.ts'
import { onnxRuntimeEngine } from './onnxruntime.ts'
import { tfjsEngine } from './tfjs.ts'

await tf.setBackend('cpu')
const tfjs = async (model: EngineModel): Promise<Engine> => tfjsEngine(tf, model, 'cpu')
const onnxruntime = (model: EngineModel): Promise<Engine> => onnxRuntimeEngine(model, (bytes) => openSession(bytes, { device: 'cpu' }))

engineLaws('tfjs', tfjs)
engineLaws('tfjs as for a GPU', async (model) => tfjsEngine(tf, model, 'cpu', true))

/** Float32 sums of some hundred products in another order, over ten steps: relative to the log-likelihood. */
const lossTolerance = 1e-3
/** A tenth of the learning rate, by which Adam moves whatever has a gradient at all. */
const weightTolerance = 1e-4

describe('ten steps of 2 couplings x 128', async () => {
  const small = { ...paperMnist, dim: 64, couplings: 2, hiddenLayers: 2, hiddenDim: 128 }
  const { model, start, x } = await problem(small, [10, 20], 0.1)
  const draws = dropoutDraws(small, { seed: 3, step: 0, steps: 10, batch: 20 })
  const run = (from: number, to: number) => ({
    x: tensor('float32', [to - from, 20, 64], x.data.slice(from * 1280, to * 1280)),
    learningRates: new Float64Array(to - from).fill(1e-3),
    draws: Object.fromEntries(
      Object.entries(draws).map(([name, { dims, data }]) => {
        const size = data.length / 10
        return [name, tensor('float32', [to - from, ...dims.slice(1)], data.slice(from * size, to * size))]
      }),
    ),
  })

  it('are those of onnxruntime, and a state of either goes on in the other', async () => {
    const engines = [await onnxruntime(model), await tfjs(model)] as const
    for (const engine of engines) await engine.load(start)
    const [expected, got] = [await engines[0].train(run(0, 10)), await engines[1].train(run(0, 10))]
    expect(largest(got, expected)).toBeLessThan(lossTolerance * Math.abs(expected[0]!))
    const last = await engines[0].state()
    for (const [first, second] of [engines, [engines[1], engines[0]]] as const) {
      await first.load(start)
      await first.train(run(0, 5))
      await second.load(await first.state())
      await second.train(run(5, 10))
      const { step, arrays } = await second.state()
      expect(step).toBe(10)
      for (const { name } of model.flow.parameters) {
        if (arrays[name]) expect(largest(arrays[name].data, last.arrays[name]!.data), name).toBeLessThan(weightTolerance)
      }
    }
    for (const engine of engines) await engine.dispose()
  })
})

it('holds as many tensors after 2,000 steps as after the first, and none when it is disposed', async () => {
  const before = tf.memory().numTensors
  const { model, start, x } = await problem({ ...paperMnist, dim: 2, couplings: 2, hiddenLayers: 1, hiddenDim: 2 }, [100, 2])
  const engine = await tfjs(model)
  await engine.load(start)
  const counts: number[] = []
  for (let steps = 0; steps < 2000; steps += 100) {
    await engine.train({ x, learningRates: new Float64Array(100).fill(1e-3) })
    await engine.logLikelihood(tensor('float32', [2, 2], x.data.slice(0, 4)))
    counts.push(tf.memory().numTensors)
  }
  expect(new Set(counts).size).toBe(1)
  await engine.dispose()
  expect(tf.memory().numTensors).toBe(before)
})
