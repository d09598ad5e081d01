import { streamKey, type Tensor, tensor, uniform } from '@niceflow/core'
import type { Device } from '@niceflow/runtime'
import { expect, it } from 'vitest'
import type { Engine } from './engine.ts'
import { type EpochProgress, stepsOfRun, trainEpoch } from './epoch.ts'
import { presets } from './presets.ts'
import { resolveRecipe } from './recipe.ts'

const dim = 2
const recipe = resolveRecipe(presets.small, { training: { batchSize: 10, stepsPerRun: 3 } }, dim)
const examples = tensor('float32', [65, dim], Float32Array.from(uniform(streamKey(1, 'probe', 0), 65 * dim)))
const indices = Uint32Array.from({ length: 65 }, (_, i) => i)

/** An epoch of an engine that computes nothing: the batches that it was given, what was told of it, and what happened in which order. */
async function epochOn(device: Device) {
  const given: Tensor<'float32'>[] = []
  const events: string[] = []
  const watched: typeof examples = {
    ...examples,
    get data() {
      if (events.at(-1) !== 'made') events.push('made')
      return examples.data
    },
  }
  const engine: Partial<Engine> = {
    device,
    train: async ({ x }) => {
      given.push(x)
      events.push('given')
      await new Promise((resolve) => setImmediate(resolve))
      events.push('answered')
      return new Float32Array(x.dims[0]!).fill(given.length)
    },
  }
  const progress: EpochProgress[] = []
  for await (const reached of trainEpoch({ engine: engine as Engine, recipe, examples: watched, indices, epoch: 0, step: 0 }))
    progress.push(reached)
  return { given, progress, events }
}

it('an engine on CUDA gets the same batches in longer runs, made while it computes', async () => {
  const [cpu, gpu] = [await epochOn('cpu'), await epochOn('cuda')]
  expect(cpu.progress.map(({ step, seen }) => [step, seen])).toEqual([
    [3, 30],
    [6, 60],
    [7, 65],
  ])
  expect(gpu.progress.map(({ step, seen }) => [step, seen])).toEqual([
    [6, 60],
    [7, 65],
  ])
  const numbers = ({ given }: typeof cpu): number[] => given.flatMap(({ data }) => [...data])
  expect(numbers(gpu)).toEqual(numbers(cpu))
  expect(cpu.events.join(' ')).toBe('made given answered made given answered made given answered')
  expect(gpu.events.join(' ')).toBe('made given made answered given answered')
})

it('runs are longer on CUDA, where their batches take little memory', () => {
  const steps = (dim: number, batchSize: number, device: Device): number =>
    stepsOfRun(resolveRecipe(presets.paper, { training: { batchSize } }, dim), device)
  expect(steps(784, 200, 'cpu')).toBe(50)
  expect(steps(784, 200, 'cuda')).toBe(250)
  expect(steps(784, 1000, 'cuda')).toBe(85)
  expect(steps(784, 8192, 'cuda')).toBe(50)
})
