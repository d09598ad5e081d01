import { batches, type Tensor, tensor } from '@niceflow/core'
import { type Engine, type EngineModel, stepsOfRun, type TrainingState } from '@niceflow/engine'
import { dropoutDraws } from '@niceflow/flow'
import { type EngineReport, engineProcess, type Recipe, startRun, type TrainingData, type TrainProgress, train } from '@niceflow/trainer'
import { watchDeviceMemory } from './device-memory.ts'
import { type Placement, placement } from './placement.ts'

export type Target = Pick<EngineReport, 'engine' | 'device'>

/** What all others are held against. */
export const cpu: Target = { engine: 'onnxruntime', device: 'cpu' }

/** Opens an engine for a model, in a process of its own: the libraries of two do not bear one another. */
function open(target: Target, recipe: Recipe, constants: EngineModel['constants']): Promise<Engine> {
  return engineProcess({ ...target, recipe, constants })
}

/** Losses of float32 steps, relative: sums of a thousand products in another order, and ten steps in which they grow. */
export const lossTolerance = 1e-3
/** Weights after ten steps: a tenth of the learning rate 1e-3, by which Adam moves what has a gradient at all. */
export const weightTolerance = 1e-4

export type Parity = { readonly loss: number; readonly weights: number; readonly holds: boolean }
type TenSteps = { readonly losses: Float32Array; readonly arrays: Readonly<Record<string, Tensor>> }

/** A state that training has reached: at the very start Adam moves by the sign of what is mostly rounding. */
export async function warmState(recipe: Recipe, data: TrainingData): Promise<TrainingState> {
  const { arrays, constants } = await startRun(data, recipe)
  return run(cpu, recipe, constants, { step: 0, arrays }, firstRun(data, recipe, 50)).then(({ state }) => state)
}

/** Ten steps of a recipe from a state: each step's log-likelihood, and the state after the last. */
export async function tenSteps(target: Target, recipe: Recipe, data: TrainingData, from: TrainingState): Promise<TenSteps> {
  const { constants } = await startRun(data, recipe)
  const { losses, state } = await run(target, recipe, constants, from, firstRun(data, recipe, 10))
  return { losses, arrays: state.arrays }
}

async function run(
  target: Target,
  recipe: Recipe,
  constants: EngineModel['constants'],
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
  /** The most of a GPU's memory in use from before there was an engine to the end of its first run; null where no driver tells. */
  readonly peakDeviceMiB: number | null
}

const countedRuns = 3

/** A step at a batch size: the fastest of some runs, after one that shows what memory it takes. */
export async function speed(target: Target, recipe: Recipe, data: TrainingData, batch: number): Promise<Speed> {
  const { arrays, constants } = await startRun(data, recipe)
  const batched = { ...recipe, training: { ...recipe.training, batchSize: batch } }
  // As many steps a run as training takes, which ends one with each epoch: ONNX Runtime's CPU and CUDA move the state in and out once a run.
  const stepsPerRun = Math.min(stepsOfRun(batched, target.device), Math.floor(data.examples.dims[0]! / batch))
  const x = firstRun(data, batched, stepsPerRun)
  const run = { x, learningRates: new Float64Array(stepsPerRun).fill(recipe.training.learningRate) }
  const memory = await watchDeviceMemory()
  try {
    const engine = await open(target, recipe, constants)
    try {
      await engine.load({ step: 0, arrays })
      await engine.train(run)
      // What is timed is not watched: each look asks the driver.
      const peakDeviceMiB = await memory.stop()
      let fastest = Number.POSITIVE_INFINITY
      for (let i = 0; i < countedRuns; i++) {
        const start = performance.now()
        await engine.train(run)
        fastest = Math.min(fastest, (performance.now() - start) / stepsPerRun)
      }
      return { batch, msPerStep: fastest, imagesPerSecond: (1000 * batch) / fastest, peakDeviceMiB }
    } finally {
      await engine.dispose()
    }
  } finally {
    await memory.stop()
  }
}

/** Where the nodes of a recipe's step ran; onnxruntime alone tells. */
export async function placementOf({ device }: Target, recipe: Recipe, data: TrainingData): Promise<Placement> {
  const { arrays, constants } = await startRun(data, recipe)
  const [steps, learningRate] = [3, recipe.training.learningRate]
  const run = { x: firstRun(data, recipe, steps), learningRates: new Float64Array(steps).fill(learningRate) }
  return placement({ device, recipe, constants }, { step: 0, arrays }, run)
}

export type Fit = { readonly epochs: number; readonly seconds: number; readonly validation: number }

/** Trains for about so many seconds, by what a second epoch takes, and tells the held-out log-likelihood that it came to, nats. */
export async function fitFor(seconds: number, target: Target, recipe: Recipe, data: TrainingData): Promise<Fit> {
  const { lastEpoch } = await trained(2, target, recipe, data)
  const { lastEpoch: _, ...fit } = await trained(Math.max(1, Math.floor(seconds / lastEpoch)), target, recipe, data)
  return fit
}

/** Seconds are those of the epochs alone: the engine has been opened by then. */
async function trained(epochs: number, target: Target, recipe: Recipe, data: TrainingData): Promise<Fit & { readonly lastEpoch: number }> {
  const ends = [0]
  const onProgress = (progress: TrainProgress): void => {
    if (progress.kind === 'epoch') ends.push(progress.seconds)
  }
  const { state } = await train({ ...target, data, config: { flow: recipe.flow, training: { ...recipe.training, epochs } }, onProgress })
  const seconds = ends.at(-1)!
  return { epochs, seconds, validation: state.best.validation!, lastEpoch: seconds - ends.at(-2)! }
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

function farthest(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): number {
  let most = 0
  for (let i = 0; i < b.length; i++) most = Math.max(most, Math.abs(Number(a[i]) - Number(b[i])))
  return most
}
