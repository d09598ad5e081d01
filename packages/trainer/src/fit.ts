import { join } from 'node:path'
import { dequantize, type ImageShift, tensor } from '@niceflow/core'
import {
  dataFacts,
  type Engine,
  type EpochProgress,
  learningRateAt,
  type Recipe,
  stepsOfEpoch,
  type TrainingData,
  type TrainingState,
  trainEpoch,
  type WhiteningProgress,
} from '@niceflow/engine'
import { type Flow, type Optimizer, type ParameterValues, parametersOf } from '@niceflow/flow'
import type { Device } from '@niceflow/runtime'
import {
  checkpointFiles,
  type EpochRecord,
  type RunState,
  snapshotFile,
  snapshotSamples,
  writeCheckpoint,
  writeLast,
} from './checkpoint.ts'
import { diverged, stopped } from './ended.ts'
import { remove } from './files.ts'
import { type EpochTiming, readHistory, writeHistory } from './history.ts'
import type { TrainingMemoryEstimate } from './memory.ts'
import type { Run } from './run.ts'
import type { WhiteningReport } from './whitening-cache.ts'

/** What a run tells while it goes on: at its start, after each run of the graph, and after each epoch. Epochs count from 1. */
export type TrainProgress =
  | {
      readonly kind: 'start'
      readonly recipe: Recipe
      /** What trains, and on what. */
      readonly engine: string
      readonly device: Device
      /** Why this engine and device, where there was a choice. */
      readonly why: string | undefined
      readonly examples: number
      readonly heldOut: number
      readonly epoch: number
    }
  /** Before anything is computed: what the model takes of this machine. */
  | ({ readonly kind: 'memory' } & TrainingMemoryEstimate)
  /** While a whitening is measured, before the start; and what it came to. */
  | ({ readonly kind: 'whitening' } & WhiteningProgress)
  | ({ readonly kind: 'whitened' } & WhiteningReport)
  /** What is not as it should be, and does not keep the run from going on. */
  | { readonly kind: 'warning'; readonly message: string }
  | {
      readonly kind: 'steps'
      readonly epoch: number
      /** Steps done and to do in all epochs. */
      readonly step: number
      readonly steps: number
      /** Mean over the epoch so far, nats. */
      readonly logLikelihood: number
      readonly imagesPerSecond: number
      readonly secondsLeft: number
    }
  | {
      readonly kind: 'epoch'
      readonly record: EpochRecord
      readonly best: boolean
      readonly imagesPerSecond: number
      readonly seconds: number
    }

/** What becomes of the snapshots that the recipe's `saveEvery` asks for. */
export type SnapshotOptions = {
  /** How many are kept, the newest; all when left out. */
  readonly keep?: number
  /** Hears of each when it is written, with the path for a picture of its samples. */
  readonly onSnapshot?: (run: Run, picture: string) => Promise<void>
}

export type FitOptions = {
  readonly data: TrainingData
  readonly recipe: Recipe
  readonly flow: Flow
  readonly optimizer: Optimizer
  readonly engine: Engine
  readonly why?: string | undefined
  /** Parameters that training does not change. */
  readonly constants: ParameterValues
  readonly split: { readonly train: Uint32Array; readonly validation: Uint32Array }
  readonly imageShift: ImageShift | undefined
  readonly start: TrainingState
  /** The run that this one goes on with, and the parameters of its best epoch. */
  readonly begun: Run | undefined
  readonly out?: string
  readonly snapshots?: SnapshotOptions
  /** Makes room in `out`: called when the first epoch is ready to be written. */
  readonly beforeFirstWrite?: () => Promise<void>
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: TrainProgress) => void
}

/** Rows scored at once while validating. */
const validationBatch = 1000

/**
 * The training loop: epochs of validation and checkpoints after each.
 * @throws DivergedError, StoppedError, WriteError
 */
export async function fitFlow({
  data,
  recipe,
  flow,
  optimizer,
  engine,
  why,
  constants,
  split,
  imageShift,
  start,
  begun,
  out,
  snapshots = {},
  beforeFirstWrite,
  signal,
  onProgress,
}: FitOptions): Promise<Run> {
  const { training } = recipe
  const stepsPerEpoch = stepsOfEpoch(split.train.length, recipe)
  const steps = training.epochs * stepsPerEpoch
  const fitted = ({ arrays }: TrainingState): ParameterValues => parametersOf(flow, optimizer, arrays, constants)

  await engine.load(start)
  let step = start.step
  let run: RunState = (begun && { ...begun.state, engine: enginesOf(begun.state.engine, engine.name) }) ?? {
    formatVersion: 1,
    recipe,
    data: dataFacts(data),
    engine: engine.name,
    epoch: 0,
    step: 0,
    history: [],
    best: { epoch: 0, validation: null },
  }
  let best = begun?.parameters ?? fitted(start)
  const first = run.epoch + 1
  const timings = await knownTimings(out, run.epoch)
  const clock = stopwatch()
  onProgress?.({
    kind: 'start',
    recipe,
    engine: engine.name,
    device: engine.device,
    why,
    examples: split.train.length,
    heldOut: split.validation.length,
    epoch: run.epoch,
  })

  while (!isFinished(run)) {
    const epoch = run.epoch + 1
    const kept = { out, epoch: run.epoch }
    const begin = clock()
    let reached: EpochProgress = { step, seen: 0, logLikelihood: Number.NaN }
    for await (reached of trainEpoch({
      engine,
      recipe,
      examples: data.examples,
      indices: split.train,
      imageShift,
      epoch: run.epoch,
      step,
      diverged: (fault) => diverged(fault, kept),
    })) {
      const imagesPerSecond = reached.seen / (clock() - begin)
      const secondsLeft = ((steps - reached.step) * training.batchSize) / imagesPerSecond
      const { step, logLikelihood } = reached
      onProgress?.({ kind: 'steps', epoch, step, steps, logLikelihood, imagesPerSecond, secondsLeft })
      await breathe()
      if (signal?.aborted) throw stopped(kept)
    }
    step = reached.step
    const imagesPerSecond = reached.seen / (clock() - begin)
    const validation = await validate(engine, data, split.validation, recipe)
    if (validation !== null && !Number.isFinite(validation)) {
      throw diverged(`the log-likelihood of held-out examples after epoch ${epoch} is ${validation}`, kept)
    }
    const state = await engine.state()
    const broken = validation === null ? brokenArray(state) : undefined
    if (broken !== undefined) throw diverged(`array "${broken}" after epoch ${epoch} holds what is no finite number`, kept)
    const record = { epoch, training: reached.logLikelihood, validation, learningRate: learningRateAt(step - 1, stepsPerEpoch, training) }
    const improved = validation === null || run.best.validation === null || validation > run.best.validation
    run = { ...run, epoch, step, history: [...run.history, record], best: improved ? { epoch, validation } : run.best }
    if (improved) best = fitted(state)
    if (out !== undefined) {
      if (epoch === first) await beforeFirstWrite?.()
      if (improved) await writeCheckpoint(join(out, checkpointFiles.best), { state: run, arrays: best })
      if (training.saveEvery > 0 && epoch % training.saveEvery === 0) {
        await writeSnapshot(out, { state: { ...run, best: { epoch, validation } }, parameters: fitted(state) }, snapshots)
      }
      await writeHistory(out, run.history, timings.set(epoch, { seconds: clock() - begin, imagesPerSecond }))
      await writeLast(out, { state: run, arrays: { ...constants, ...state.arrays } })
    }
    onProgress?.({ kind: 'epoch', record, best: improved, imagesPerSecond, seconds: clock() })
  }
  return { state: run, parameters: best }
}

/** The engines that a run has had, each once. */
function enginesOf(earlier: string, name: string): string {
  return [...new Set([...earlier.split(', '), name])].join(', ')
}

/** Keeps one epoch's weights beside the best, and removes the oldest of those that are one too many. */
async function writeSnapshot(out: string, run: Run, { keep, onSnapshot }: SnapshotOptions): Promise<void> {
  const { epoch, recipe } = run.state
  await writeCheckpoint(join(out, snapshotFile(epoch)), { state: run.state, arrays: run.parameters })
  await onSnapshot?.(run, join(out, snapshotSamples(epoch)))
  if (keep === undefined) return
  for (let old = epoch - keep * recipe.training.saveEvery; old > 0; old -= recipe.training.saveEvery) {
    for (const file of [snapshotFile(old), snapshotSamples(old)]) await remove(join(out, file))
  }
}

/** Whether a run has had its epochs, or gone on for so many without a better one that it is to stop early. */
export function isFinished({ recipe: { training }, epoch, best }: RunState): boolean {
  const { epochs, patience } = training
  return epoch >= epochs || (patience > 0 && best.validation !== null && epoch - best.epoch >= patience)
}

/** Mean log-likelihood of the held-out examples, each dequantised as at every other epoch; null where none are held out. */
async function validate(engine: Engine, data: TrainingData, indices: Uint32Array, { training, flow }: Recipe): Promise<number | null> {
  if (indices.length === 0) return null
  let sum = 0
  for (let at = 0; at < indices.length; at += validationBatch) {
    const taken = indices.subarray(at, at + validationBatch)
    const { seed, dequantization } = training
    const x = dequantize(data.examples, taken, { seed, draw: 0, range: flow.dataRange, dequantization })
    const scores = await engine.logLikelihood(tensor('float32', [taken.length, flow.dim], x))
    sum += scores.reduce((total, nats) => total + nats, 0)
  }
  return sum / indices.length
}

/** The first array with a value that is no finite number: no log-likelihood tells what a last update did, where nothing is held out. */
function brokenArray({ arrays }: TrainingState): string | undefined {
  for (const [name, { data }] of Object.entries(arrays)) {
    for (const value of data) if (!Number.isFinite(value)) return name
  }
  return undefined
}

/** The timings of epochs that an earlier process fitted. */
async function knownTimings(out: string | undefined, epochs: number): Promise<Map<number, EpochTiming>> {
  const history = out === undefined ? [] : await readHistory(out)
  return new Map(
    history.flatMap(({ epoch, seconds, imagesPerSecond }) =>
      epoch <= epochs && seconds !== null && imagesPerSecond !== null ? [[epoch, { seconds, imagesPerSecond }]] : [],
    ),
  )
}

/** Seconds since it was made. */
function stopwatch(): () => number {
  const start = performance.now()
  return () => (performance.now() - start) / 1000
}

/** Lets signals and other work of the process be heard: a run of the graph blocks it. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
