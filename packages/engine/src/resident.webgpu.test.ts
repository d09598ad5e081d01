import { paperMnist } from '@niceflow/flow'
import { openResidentSession, openSession } from '@niceflow/runtime-node'
import { expect, it } from 'vitest'
import { engineLaws, largest, problem } from './laws.fixture.ts'
import { onnxRuntimeEngine } from './onnxruntime.ts'
import { type OpenResidentSession, residentEngine } from './resident.ts'

const webgpu: OpenResidentSession = (model, resident) => openResidentSession(model, resident)

engineLaws('webgpu', (model) => residentEngine(model, webgpu))

/** Float32 sums of some hundred products in another order, over ten steps: relative to the log-likelihood. */
const lossTolerance = 1e-3
/** A tenth of the learning rate, by which Adam moves whatever has a gradient at all. */
const weightTolerance = 1e-4

it('takes the ten steps of the CPU with 2 couplings x 128', async () => {
  const { model, start, x } = await problem({ ...paperMnist, dim: 64, couplings: 2, hiddenLayers: 2, hiddenDim: 128 }, [10, 20])
  const run = { x, learningRates: new Float64Array(10).fill(1e-3) }
  const engines = [
    await onnxRuntimeEngine(model, (bytes) => openSession(bytes, { device: 'cpu' })),
    await residentEngine(model, webgpu),
  ] as const
  expect(engines.map(({ device }) => device)).toEqual(['cpu', 'webgpu'])
  for (const engine of engines) await engine.load(start)
  const [expected, got] = [await engines[0].train(run), await engines[1].train(run)]
  expect(largest(got, expected)).toBeLessThan(lossTolerance * Math.abs(expected[0]!))
  const [there, here] = [await engines[0].state(), await engines[1].state()]
  for (const { name } of model.flow.parameters) {
    if (here.arrays[name]) expect(largest(here.arrays[name].data, there.arrays[name]!.data), name).toBeLessThan(weightTolerance)
  }
  for (const engine of engines) await engine.dispose()
})
