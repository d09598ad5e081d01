import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { rows, type Tensor } from '@niceflow/core'
import { layoutOf, paperMnist } from '@niceflow/flow'
import type { DeviceTensor, ResidentSession } from '@niceflow/runtime'
import { openResidentSession, openSession } from '@niceflow/runtime-node'
import { expect, it } from 'vitest'
import { engineLaws, largest, problem } from './laws.fixture.ts'
import { growthTolerance, memoryLaw } from './memory.fixture.ts'
import { onnxRuntimeEngine } from './onnxruntime.ts'
import { type OpenResidentSession, residentEngine } from './resident.ts'

const webgpu: OpenResidentSession = (model, resident) => openResidentSession(model, resident)

engineLaws('webgpu', (model) => residentEngine(model, webgpu))

/** With a state of megabytes, so few that a state kept would show; software takes a step a hundred times as slowly as the CPU. */
memoryLaw('webgpu', (model) => residentEngine(model, webgpu), { steps: 40, stepsPerRun: 1 })

/** The same sessions, whose runs are heard of: what goes in and what comes out. */
function heard(
  open: OpenResidentSession,
  onRun: (feeds: Values, answers: Awaited<ReturnType<ResidentSession['runResident']>>) => void,
): OpenResidentSession {
  return async (graph, resident) => {
    const session = await open(graph, resident)
    const runResident: ResidentSession['runResident'] = async (feeds) => {
      const answers = await session.runResident(feeds)
      onRun(feeds, answers)
      return answers
    }
    return { ...session, inputNames: session.inputNames, dispose: () => session.dispose(), runResident }
  }
}

type Values = Readonly<Record<string, Tensor | DeviceTensor>>

/** Collects garbage: two thousand runs leave megabytes of handles that nothing holds, sooner or later gone. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}

it('holds as many tensors of the device, and as much memory, after 2,000 steps as before, and none when it is disposed', async () => {
  const [steps, stepsPerRun] = [2000, 20]
  const live = new Set<DeviceTensor>()
  const { model, start, x } = await problem({ ...paperMnist, dim: 2, couplings: 2, hiddenLayers: 1, hiddenDim: 2 }, [stepsPerRun, 2])
  const engine = await residentEngine(
    model,
    heard(webgpu, (_, { resident }) => {
      for (const tensor of Object.values(resident)) {
        live.add(tensor)
        const dispose = tensor.dispose
        // Its handle is the session's: one around it would be another tensor.
        Object.assign(tensor, {
          dispose: () => {
            live.delete(tensor)
            dispose()
          },
        })
      }
    }),
  )
  await engine.load(start)
  const run = { x, learningRates: new Float64Array(stepsPerRun).fill(1e-4) }
  const counts: number[] = []
  const resident: number[] = []
  for (let done = 0; done < steps; done += stepsPerRun) {
    await engine.train(run)
    counts.push(live.size)
    collectGarbage()
    resident.push(process.memoryUsage.rss())
  }
  expect(new Set(counts)).toEqual(new Set([layoutOf(model.flow, model.optimizer, true).arrays.length]))
  const half = resident.length / 2
  expect(Math.max(...resident.slice(half)) - Math.max(...resident.slice(0, half))).toBeLessThan(growthTolerance)
  await engine.dispose()
  expect(live.size).toBe(0)
}, 180_000)

it('moves the batch and numbers for each step and no more, whatever the size of the model', async () => {
  const moved = async (hiddenDim: number): Promise<number> => {
    let bytes = 0
    const count = (values: Values): void => {
      for (const value of Object.values(values)) if ('data' in value) bytes += value.data.byteLength
    }
    const { model, start, x } = await problem({ ...paperMnist, dim: 8, hiddenLayers: 1, hiddenDim }, [4, 2])
    const engine = await residentEngine(
      model,
      heard(webgpu, (feeds, { values }) => {
        count(feeds)
        count(values)
      }),
    )
    await engine.load(start)
    await engine.train({ x: rows(x, 0, 1), learningRates: [1e-3] })
    bytes = 0
    await engine.train({ x: rows(x, 1, 4), learningRates: [1e-3, 1e-3, 1e-3] })
    await engine.dispose()
    return bytes / 3
  }
  const [small, large] = [await moved(4), await moved(64)]
  // A batch of two rows of eight, the optimizer's four numbers, and the log-likelihood.
  expect(small).toBe(4 * (2 * 8 + 4 + 1))
  expect(large).toBe(small)
})

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
