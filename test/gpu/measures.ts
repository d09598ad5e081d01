import { spawnSync } from 'node:child_process'
import { type Tensor, tensor } from '@niceflow/core'
import { batches } from '@niceflow/data'
import type { Engine, TrainingState } from '@niceflow/engine'
import { dropoutDraws } from '@niceflow/flow'
import { type EngineReport, type Recipe, startRun, type TrainingData, train } from '@niceflow/trainer'

export type Target = Pick<EngineReport, 'engine' | 'device'>

/** What all others are held against. */
export const cpu: Target = { engine: 'onnxruntime', device: 'cpu' }

/** Opens an engine for a model; each in a process of its own, since the libraries of two do not bear one another. */
export type Open = (target: Target, recipe: Recipe, constants: Awaited<ReturnType<typeof startRun>>['constants']) => Promise<Engine>

/** Losses of float32 steps, relative: sums of a thousand products in another order, and ten steps in which they grow. */
export const lossTolerance = 1e-3
/** Weights after ten steps: a tenth of the learning rate 1e-3, by which Adam moves what has a gradient at all. */
export const weightTolerance = 1e-4

export type Parity = { readonly loss: number; readonly weights: number; readonly holds: boolean }
type TenSteps = { readonly losses: Float32Array; readonly arrays: Readonly<Record<string, Tensor>> }

/** A state that training has reached: at the very start Adam moves by the sign of what is mostly rounding. */
export async function warmState(open: Open, recipe: Recipe, data: TrainingData): Promise<TrainingState> {
  const { arrays, constants } = await startRun(data, recipe)
  return run(open, cpu, recipe, constants, { step: 0, arrays }, firstRun(data, recipe, 50)).then(({ state }) => state)
}

/** Ten steps of a recipe from a state: each step's log-likelihood, and the state after the last. */
export async function tenSteps(open: Open, target: Target, recipe: Recipe, data: TrainingData, from: TrainingState): Promise<TenSteps> {
  const { constants } = await startRun(data, recipe)
  const { losses, state } = await run(open, target, recipe, constants, from, firstRun(data, recipe, 10))
  return { losses, arrays: state.arrays }
}

async function run(
  open: Open,
  target: Target,
  recipe: Recipe,
  constants: Parameters<Open>[2],
  from: TrainingState,
  x: Tensor<'float32'>,
): Promise<{ readonly losses: Float32Array; readonly state: TrainingState }> {
  const { dropout, seed, learningRate } = recipe.training
  const [steps, batch] = x.dims as [number, number]
  const draws = dropout > 0 ? dropoutDraws(recipe.flow, { seed, step: from.step, steps, batch }) : {}
  const engine = await open(target, recipe, constants)
  try {
    await engine.load(from)
    const losses = await engine.train({ x, draws, learningRates: new Float64Array(steps).fill(learningRate) })
    return { losses, state: await engine.state() }
  } finally {
    await engine.dispose()
  }
}

/** How far ten steps are from those of the reference: log-likelihoods relative to its largest, parameters absolutely. */
export function parity(got: TenSteps, reference: TenSteps): Parity {
  const loss = farthest(got.losses, reference.losses) / Math.max(...reference.losses.map(Math.abs))
  const parameters = Object.keys(reference.arrays).filter((name) => !name.includes('moment/'))
  const weights = Math.max(...parameters.map((name) => farthest(got.arrays[name]!.data, reference.arrays[name]!.data)))
  return { loss, weights, holds: loss <= lossTolerance && weights <= weightTolerance }
}

export type Speed = {
  readonly batch: number
  readonly msPerStep: number
  readonly imagesPerSecond: number
  readonly deviceMiB: number | null
}

/** Steps a run: enough for a clock, and for the copies at its ends to weigh little. */
const stepsPerRun = 10
const countedRuns = 3

/** A step at a batch size, the fastest of some runs after one that is not counted; and the device's memory beyond what it held before. */
export async function speed(open: Open, target: Target, recipe: Recipe, data: TrainingData, batch: number): Promise<Speed> {
  const before = deviceMemoryMiB()
  const { arrays, constants } = await startRun(data, recipe)
  const engine = await open(target, recipe, constants)
  try {
    await engine.load({ step: 0, arrays })
    const x = firstRun(data, { ...recipe, training: { ...recipe.training, batchSize: batch } }, stepsPerRun)
    const run = { x, learningRates: new Float64Array(stepsPerRun).fill(recipe.training.learningRate) }
    await engine.train(run)
    let fastest = Number.POSITIVE_INFINITY
    for (let i = 0; i < countedRuns; i++) {
      const start = performance.now()
      await engine.train(run)
      fastest = Math.min(fastest, (performance.now() - start) / stepsPerRun)
    }
    const now = deviceMemoryMiB()
    const deviceMiB = before === null || now === null ? null : now - before
    return { batch, msPerStep: fastest, imagesPerSecond: (1000 * batch) / fastest, deviceMiB }
  } finally {
    await engine.dispose()
  }
}

export type Fit = { readonly epochs: number; readonly seconds: number; readonly validation: number }

/** Trains for about so many seconds, by a measured speed, and tells the held-out log-likelihood that it came to, nats. */
export async function fitFor(
  seconds: number,
  { imagesPerSecond }: Speed,
  target: Target,
  recipe: Recipe,
  data: TrainingData,
): Promise<Fit> {
  const examples = data.examples.dims[0]! - recipe.training.validation
  const epochs = Math.max(1, Math.floor((seconds * imagesPerSecond) / examples))
  const start = performance.now()
  const { state } = await train({ ...target, data, config: { flow: recipe.flow, training: { ...recipe.training, epochs } } })
  return { epochs, seconds: (performance.now() - start) / 1000, validation: state.best.validation! }
}

/** Batches of the first epoch, as often over as it takes: [steps, batch, dim]. */
function firstRun(data: TrainingData, { flow, training }: Recipe, steps: number): Tensor<'float32'> {
  const { batchSize, seed } = training
  const x = tensor('float32', [steps, batchSize, flow.dim])
  const indices = Uint32Array.from({ length: data.examples.dims[0]! }, (_, i) => i)
  let step = 0
  for (let epoch = 0; step < steps; epoch++) {
    for (const run of batches({ examples: data.examples, indices, batchSize, seed, epoch, stepsPerRun: 1, range: flow.dataRange })) {
      if (run.batch !== batchSize || step === steps) break
      x.data.set(run.x, step * batchSize * flow.dim)
      step++
    }
  }
  return x
}

/** Memory in use on all NVIDIA GPUs, MiB; null where nobody tells. */
function deviceMemoryMiB(): number | null {
  const { stdout, status } = spawnSync('nvidia-smi', ['--query-gpu=memory.used', '--format=csv,noheader,nounits'], { encoding: 'utf8' })
  return status === 0
    ? stdout
        .trim()
        .split('\n')
        .reduce((sum, line) => sum + Number(line), 0)
    : null
}

function farthest(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): number {
  let most = 0
  for (let i = 0; i < b.length; i++) most = Math.max(most, Math.abs(Number(a[i]) - Number(b[i])))
  return most
}
