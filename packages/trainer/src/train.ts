import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { tensor } from '@niceflow/core'
import { splitIndices } from '@niceflow/data'
import { onnxRuntimeEngine } from '@niceflow/engine'
import { initialize, nice, type ParameterValues, stateArrays } from '@niceflow/flow'
import type { Session } from '@niceflow/runtime'
import { type NodeDevice, openSession } from '@niceflow/runtime-node'
import {
  assertSameRun,
  type Checkpoint,
  CheckpointError,
  checkpointFiles,
  findLast,
  isCheckpoint,
  type RunState,
  readCheckpoint,
} from './checkpoint.ts'
import { optimizerOf, type PartialRecipe, type PresetName, presets, resolveRecipe } from './config.ts'
import { ensureFolder, temporaryOf } from './files.ts'
import { fitFlow, type TrainProgress } from './fit.ts'
import { historyFile } from './history.ts'
import { measureMoments } from './moments.ts'
import { asTrainingData, dataFacts, type TrainingData } from './training-data.ts'

export type TrainOptions = {
  readonly data: TrainingData | TrainingData['examples']
  /** @default 'paper' */
  readonly preset?: PresetName
  readonly config?: PartialRecipe
  /** A folder for checkpoints; without one the run lives in memory alone. */
  readonly out?: string
  /** Go on from the folder's last checkpoint, where there is one. */
  readonly resume?: boolean
  /** Begin again in a folder that holds a run already. */
  readonly overwrite?: boolean
  readonly device?: NodeDevice | 'auto'
  readonly threads?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: TrainProgress) => void
}

/** A finished run: its state, and the parameters of its best epoch by name. */
export type Run = { readonly state: RunState; readonly parameters: ParameterValues }

/**
 * Fits a flow by maximum likelihood.
 * @returns the run with the parameters of the epoch that scored best on the held-out examples
 * @throws InvalidValueError for data that cannot be fitted, InvalidConfigError, CheckpointError, WriteError, DivergedError, StoppedError
 */
export async function train(options: TrainOptions): Promise<Run> {
  const data = asTrainingData(options.data)
  const recipe = resolveRecipe(presets[options.preset ?? 'paper'], options.config ?? {}, data.examples.dims[1]!)
  const { out } = options
  const folder = out === undefined ? undefined : await openRun(out, { recipe, data: dataFacts(data) }, options)
  const begun = folder?.begun
  const resumed = begun && out !== undefined ? { state: begun.state, parameters: (await readRun(out)).parameters } : undefined
  if (resumed && resumed.state.epoch >= recipe.training.epochs) return resumed

  const flow = nice(recipe.flow)
  const optimizer = optimizerOf(recipe.training)
  const split = splitIndices(data.examples.dims[0]!, recipe.training.validation, recipe.training.seed)
  const device = { device: options.device ?? 'auto', ...(options.threads ? { threads: options.threads } : {}) } as const
  const open = (model: Uint8Array, use: keyof typeof trainingSession): Promise<Session> =>
    openSession(model, { ...device, ...trainingSession[use] })

  const initial: ParameterValues =
    (begun && inOwnMemory(begun.arrays)) ??
    (await initialize(flow.parameters, recipe.training.seed, (steps, values) =>
      measureMoments({ flow, data, indices: split.train, seed: recipe.training.seed, steps, values, open }),
    ))
  const arrays = Object.fromEntries(stateArrays(flow, optimizer).map(({ name, dims }) => [name, initial[name] ?? tensor('float32', dims)]))
  if (begun && out !== undefined) assertWhole(out, begun, [...Object.keys(arrays), ...flow.parameters.map(({ name }) => name)])
  const constants = Object.fromEntries(Object.entries(initial).filter(([name]) => !arrays[name]))
  const engine = await onnxRuntimeEngine(flow, optimizer, constants, open)
  try {
    return await fitFlow({
      ...options,
      data,
      recipe,
      flow,
      engine,
      constants,
      split,
      start: { step: begun?.state.step ?? 0, arrays },
      begun: resumed,
      ...(folder ? { beforeFirstWrite: folder.clear } : {}),
    })
  } finally {
    await engine.dispose()
  }
}

/** Moments of dead units turn denormal after some hundred steps, and denormals are slow. */
export const trainingSession = { training: { sessionConfig: { 'session.set_denormal_as_zero': '1' } }, evaluation: {} } as const

/**
 * Arrays as a run that never stopped has them: each at the start of its own memory. In a file they lie one after the other, and vectorised
 * sums that begin at an odd address add in another order, which shows in the last digits of the first log-likelihood.
 */
function inOwnMemory(arrays: ParameterValues): ParameterValues {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, { ...array, data: array.data.slice() }]))
}

/** A checkpoint that lacks an array would go on from zeros. */
function assertWhole(out: string, { arrays }: Checkpoint, names: readonly string[]): void {
  const missing = names.find((name) => !arrays[name])
  if (missing === undefined) return
  throw new CheckpointError(`run ${out}: its last checkpoint lacks the array "${missing}"`, {
    remedy: 'begin again with --overwrite, or in another --out',
  })
}

type OpenedRun = {
  /** The checkpoint to go on from, if any. */
  readonly begun: Checkpoint | undefined
  /** Removes what an earlier run left. Called when there is something to put in its place. */
  readonly clear: () => Promise<void>
}

/** Looks into a run's folder, which is sure to be writable, and refuses one that is not for this run. It removes nothing yet. */
async function openRun(out: string, wanted: Pick<RunState, 'recipe' | 'data'>, { resume, overwrite }: TrainOptions): Promise<OpenedRun> {
  await ensureFolder(out)
  const files = await readdir(out)
  const old = files.filter(isCheckpoint)
  if (old.length > 0 && !resume && !overwrite) {
    throw new CheckpointError(`run ${out}: the folder holds a run already`, {
      remedy: '--resume goes on with it, --overwrite begins again',
      usage: true,
    })
  }
  if (old.length === 0 && files.includes(historyFile)) {
    throw new CheckpointError(`run ${out}: the folder holds a ${historyFile} that is no run's`, {
      remedy: 'give another --out',
      usage: true,
    })
  }
  const begun = resume ? await findLast(out) : undefined
  if (begun) assertSameRun(out, begun.state, wanted)
  const leftovers = files.filter(isLeftover)
  // What a run resumes from goes first: half a removal then looks like no run, not like a broken one.
  const gone = begun
    ? leftovers
    : [...leftovers, ...resumable.filter((name) => old.includes(name)), ...old, ...(old.length > 0 ? [historyFile] : [])]
  return {
    begun,
    clear: async () => {
      for (const name of gone) await rm(join(out, name), { force: true })
    },
  }
}

const resumable: readonly string[] = [checkpointFiles.last, checkpointFiles.previous]

/** A temporary file of a run whose process is no more. */
function isLeftover(file: string): boolean {
  const temporary = temporaryOf(file)
  return temporary !== undefined && (isCheckpoint(temporary.name) || temporary.name === historyFile) && !isAlive(temporary.pid)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * A finished or interrupted run by its folder, with the parameters of its best epoch.
 * @throws CheckpointError where there is none
 */
export async function readRun(folder: string): Promise<Run> {
  const { state, arrays } = await readCheckpoint(join(folder, checkpointFiles.best))
  const last = await findLast(folder)
  // A crash between the two writes of an epoch leaves the best one epoch ahead, and files of two runs may lie side by side.
  return { state: last && continues(last.state, state) ? last.state : state, parameters: arrays }
}

/** Whether one state is of the same run as another, and as far or farther. */
function continues(later: RunState, earlier: RunState): boolean {
  const facts = ({ recipe, data, history }: RunState, epochs: number): string => JSON.stringify([recipe, data, history.slice(0, epochs)])
  return later.epoch >= earlier.epoch && facts(later, earlier.epoch) === facts(earlier, earlier.epoch)
}
