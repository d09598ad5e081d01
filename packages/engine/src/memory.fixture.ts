import { rows, tensor } from '@niceflow/core'
import { paperMnist } from '@niceflow/flow'
import { expect, it } from 'vitest'
import type { Engine, EngineModel } from './engine.ts'
import { problem } from './laws.fixture.ts'

const MiB = 2 ** 20
/** A state of 4 MB in few operators: were a step to keep its own, some ten would show. */
const size = { ...paperMnist, dim: 256, couplings: 2, hiddenLayers: 1, hiddenDim: 512 } as const
const batch = 2
/** What allocators and the garbage collector hold one time and not another; a state kept by each run would be several times as much. */
export const growthTolerance = 32 * MiB

type Length = { readonly steps: number; readonly stepsPerRun: number }

/** Training needs no more memory for being long: the most resident in the second half of the steps is no more than in the first. */
export function memoryLaw(name: string, make: (model: EngineModel) => Promise<Engine>, { steps, stepsPerRun }: Length): void {
  it(`${name} holds as much memory after ${steps} steps as before`, async () => {
    const { model, start, x } = await problem(size, [stepsPerRun, batch])
    const stateBytes = Object.values(start.arrays).reduce((sum, { data }) => sum + data.byteLength, 0)
    expect((steps / stepsPerRun / 2) * stateBytes).toBeGreaterThan(1.5 * growthTolerance)
    const engine = await make(model)
    await engine.load(start)
    const run = { x, learningRates: new Float64Array(stepsPerRun).fill(1e-4) }
    const resident: number[] = []
    for (let done = 0; done < steps; done += stepsPerRun) {
      await engine.train(run)
      // What validation and checkpoints do.
      if (done % (10 * stepsPerRun) === 0) {
        await engine.logLikelihood(rows(tensor('float32', [stepsPerRun * batch, size.dim], x.data), 0, batch))
        await engine.state()
      }
      resident.push(process.memoryUsage.rss())
    }
    await engine.dispose()
    const half = resident.length / 2
    expect(Math.max(...resident.slice(half)) - Math.max(...resident.slice(0, half))).toBeLessThan(growthTolerance)
  }, 180_000)
}
