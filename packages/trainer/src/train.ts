import {
  dataFacts,
  dataWarnings,
  defaultPreset,
  type PartialRecipe,
  type PresetName,
  presetFor,
  type Recipe,
  resolveRecipe,
  type TrainingData,
} from '@niceflow/engine'
import type { ParameterValues } from '@niceflow/flow'
import { type EngineName, type EngineOptions, engineOptions } from './engine-calls.ts'
import { fitFlow, isFinished, type SnapshotOptions, type TrainProgress } from './fit.ts'
import { assertMemory, trainingMemory } from './memory.ts'
import { openEngine } from './open-engine.ts'
import { type OpenedRun, openRun } from './open-run.ts'
import type { Run } from './run.ts'
import { startRun } from './start.ts'
import { asTrainingData } from './training-data.ts'

export type TrainOptions = EngineOptions & {
  readonly data: TrainingData | TrainingData['examples']
  /** @default 'pytorch' */
  readonly preset?: PresetName
  readonly config?: PartialRecipe
  /** A folder for checkpoints; without one the run lives in memory alone. */
  readonly out?: string
  /** Go on from the folder's last checkpoint, where there is one. */
  readonly resume?: boolean
  /** Begin again in a folder that holds a run already. */
  readonly overwrite?: boolean
  /** Train though the machine has less memory than that seems to take. */
  readonly force?: boolean
  readonly snapshots?: SnapshotOptions
  /** @default 'auto': see `openEngine` */
  readonly engine?: EngineName | 'auto'
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: TrainProgress) => void
}

/**
 * Fits a flow by maximum likelihood.
 * @returns the run with the parameters of the epoch that scored best on the held-out examples
 * @throws InvalidValueError for data that cannot be fitted, InvalidConfigError, CheckpointError, LockedError, WriteError, DivergedError,
 *   StoppedError, NotEnoughMemoryError
 */
export async function train(options: TrainOptions): Promise<Run> {
  const data = asTrainingData(options.data)
  const recipe = resolveRecipe(presetFor(options.preset ?? defaultPreset, data.name), options.config ?? {}, data.examples.dims[1]!)
  const { out, resume, overwrite, force, onProgress } = options
  if (!force) assertMemory(trainingMemory(recipe))
  const onWarning = (message: string): void => onProgress?.({ kind: 'warning', message })
  dataWarnings(data).forEach(onWarning)
  if (out === undefined) return fit(options, data, recipe)
  const folder = await openRun(out, { recipe, data: dataFacts(data) }, { resume, overwrite, onWarning })
  try {
    return await fit(options, data, recipe, folder)
  } finally {
    folder.close()
  }
}

async function fit(options: TrainOptions, data: TrainingData, recipe: Recipe, folder?: OpenedRun): Promise<Run> {
  const begun = folder?.begun
  if (begun && isFinished(begun.state)) {
    await folder.clear()
    return { state: begun.state, parameters: begun.parameters }
  }
  options.onProgress?.({ kind: 'memory', ...trainingMemory(recipe) })
  const computing = engineOptions(options)
  const initial = begun && inOwnMemory(begun.arrays)
  const { arrays, constants, ...start } = await startRun(data, recipe, {
    ...computing,
    ...(initial ? { initial } : {}),
    onProgress: options.onProgress,
  })
  const { engine, why } = await openEngine({ engine: options.engine ?? 'auto', ...computing, recipe, constants })
  try {
    return await fitFlow({
      ...options,
      data,
      recipe,
      ...start,
      engine,
      why,
      constants,
      start: { step: begun?.state.step ?? 0, arrays },
      begun,
      ...(folder ? { beforeFirstWrite: folder.clear } : {}),
    })
  } finally {
    await engine.dispose()
  }
}

/**
 * Arrays as a run that never stopped has them: each at the start of its own memory. In a file they lie one after the other, and vectorised
 * sums that begin at an odd address add in another order, which shows in the last digits of the first log-likelihood.
 */
function inOwnMemory(arrays: ParameterValues): ParameterValues {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, { ...array, data: array.data.slice() }]))
}
