import { join } from 'node:path'
import { optimizerOf } from '@niceflow/engine'
import { nice, type ParameterValues, parametersOf, type StateArray, stateArrays } from '@niceflow/flow'
import {
  type Checkpoint,
  CheckpointError,
  checkpointFiles,
  DamagedCheckpointError,
  findLast,
  isCheckpoint,
  type RunState,
  readCheckpoint,
  resumable,
  snapshotEpoch,
} from './checkpoint.ts'
import { exists } from './files.ts'
import { readHistory } from './history.ts'

/** A finished run: its state, and the parameters of its best epoch by name. */
export type Run = { readonly state: RunState; readonly parameters: ParameterValues }

/** The picture of samples of a run's best epoch, where the caller of `train` leaves one beside the checkpoints. */
export const runSamples = 'samples.png'
/** The same of a table of numbers. */
export const runTable = 'samples.svg'

/** A run's pictures are drawn through a bundle of this name beside them, under a temporary name, which is removed then. */
export const scratchBundle = 'bundle'

export type Resumed = {
  /** The run to go on with, the parameters of its best epoch, and the arrays to go on from. */
  readonly begun: Run & { readonly arrays: ParameterValues }
  /** Damaged files, which must not take the place of a whole one when the next checkpoint is written. */
  readonly unusable: readonly string[]
  /** The best checkpoint, where it is to be written anew. */
  readonly best: Checkpoint | undefined
}

/**
 * Reads from a folder the run that is to be gone on with.
 * @param files what the folder holds
 * @returns undefined where there is none, or one that was stopped in its first epoch
 * @throws CheckpointError where the run is another than is wanted, or cannot be gone on with
 */
export async function resumeRun(
  out: string,
  files: readonly string[],
  wanted: Pick<RunState, 'recipe' | 'data'>,
  onWarning: (message: string) => void,
): Promise<Resumed | undefined> {
  const { checkpoint: last, damaged } = await findLast(out)
  if (!last) {
    const faults = damaged.length > 0 ? damaged.map(({ message }) => message) : await missing(out, files)
    if (faults.length === 0) return undefined
    throw new CheckpointError(`run ${out}: no checkpoint to go on from: ${faults.join('; ')}`, {
      remedy: 'copy one back from elsewhere, --overwrite the run, or give another --out',
    })
  }
  assertSameRun(out, last.state, wanted)
  const flow = nice(last.state.recipe.flow)
  const optimizer = optimizerOf(last.state.recipe.training)
  assertWhole(`run ${out}: its last checkpoint`, last, [...stateArrays(flow, optimizer), ...flow.parameters])
  for (const { message } of damaged) onWarning(`${message}; going on from the checkpoint before it, of epoch ${last.state.epoch}`)
  const { best, lost } = await bestOf(out, last, onWarning)
  assertSameRun(out, best.state, wanted)
  const state = continues(last.state, best.state) ? { ...last.state, best: best.state.best } : last.state
  return {
    begun: { state, parameters: best.arrays, arrays: last.arrays },
    unusable: damaged.map(({ file }) => file),
    best: lost ? best : undefined,
  }
}

/** Says so where what one resumes from is missing beside files of a run that came beyond its first epoch: a crash in that leaves none of a later. */
async function missing(out: string, files: readonly string[]): Promise<string[]> {
  if (!files.some(isCheckpoint)) return []
  const best = files.includes(checkpointFiles.best) ? (await readCheckpoint(join(out, checkpointFiles.best))).state.epoch : 0
  const epoch = Math.max(best, (await readHistory(out)).length, ...files.map(snapshotEpoch))
  return epoch > 1 ? [`${resumable.join(' and ')} are missing, and the run came to epoch ${epoch}`] : []
}

/**
 * A finished or interrupted run by its folder, with the parameters of its best epoch.
 * @throws CheckpointError where there is none
 */
export async function readRun(folder: string, onWarning: (message: string) => void = () => {}): Promise<Run> {
  const { checkpoint: last, damaged } = await findLast(folder)
  for (const { message } of damaged) onWarning(`${message}; it is passed over`)
  const { best } = await bestOf(folder, last, onWarning)
  // A crash between the two writes of an epoch leaves the best one epoch ahead, and files of two runs may lie side by side.
  const state = last && continues(last.state, best.state) ? { ...last.state, best: best.state.best } : best.state
  return { state, parameters: best.arrays }
}

/**
 * The best checkpoint of a run. Where its file is lost and the last checkpoint is of the best epoch, its weights are the same; where that is of
 * a later epoch, it takes the place of the best only once the file has been removed, which is for people to decide.
 */
async function bestOf(
  folder: string,
  last: Checkpoint | undefined,
  onWarning: (message: string) => void,
): Promise<{ readonly best: Checkpoint; readonly lost: boolean }> {
  const path = join(folder, checkpointFiles.best)
  try {
    const best = await readCheckpoint(path)
    assertWhole(`checkpoint ${path}`, best, nice(best.state.recipe.flow).parameters)
    return { best, lost: false }
  } catch (error) {
    const damaged = error instanceof DamagedCheckpointError
    if (!last || !(damaged || !(await exists(path)))) throw error
    const { epoch, best, history, recipe } = last.state
    if (damaged && epoch !== best.epoch) {
      throw new CheckpointError(`run ${folder}: the weights of its best epoch, ${best.epoch}, are lost: ${error.message}`, {
        cause: error,
        remedy: `copy the file back from elsewhere, or remove it: epoch ${epoch}, the last, then takes its place`,
      })
    }
    const { message } = error as Error
    onWarning(`${message}; the weights of epoch ${epoch}, the last, take its place${epoch === best.epoch ? ' and are the same' : ''}`)
    const state = { ...last.state, best: { epoch, validation: history.at(-1)?.validation ?? null } }
    const arrays = parametersOf(nice(recipe.flow), optimizerOf(recipe.training), last.arrays, last.arrays)
    return { best: { state, arrays }, lost: true }
  }
}

/** Whether one state is of the same run as another, and as far or farther. */
function continues(later: RunState, earlier: RunState): boolean {
  const facts = ({ recipe, data, history }: RunState, epochs: number): string => JSON.stringify([recipe, data, history.slice(0, epochs)])
  return later.epoch >= earlier.epoch && facts(later, earlier.epoch) === facts(earlier, earlier.epoch)
}

/** A checkpoint that lacks an array would go on from zeros. */
function assertWhole(what: string, { arrays }: Checkpoint, wanted: readonly StateArray[]): void {
  const remedy = 'begin again with --overwrite, or in another --out'
  for (const { name, dims } of wanted) {
    const array = arrays[name]
    if (!array) throw new CheckpointError(`${what} lacks the array "${name}"`, { remedy })
    if (String(array.dims) !== String(dims))
      throw new CheckpointError(`${what}: array "${name}": expected shape [${dims}], got [${array.dims}]`, { remedy })
  }
}

/**
 * Refuses to go on from a checkpoint of another recipe or other data.
 * @throws CheckpointError naming the first field that differs
 */
function assertSameRun(folder: string, { recipe, data }: RunState, wanted: Pick<RunState, 'recipe' | 'data'>): void {
  // What the data are comes first: some of the recipe follows from it.
  const facts = (run: typeof wanted): unknown => ({ 'flow.dim': run.recipe.flow.dim, data: run.data, ...run.recipe })
  const difference = firstDifference(facts({ recipe, data }), facts(wanted))
  if (!difference) return
  const { path, left, right } = difference
  throw new CheckpointError(`run ${folder}: its ${path} is ${JSON.stringify(left)}, now ${JSON.stringify(right)} is asked for`, {
    remedy: 'resume with the recipe and data that it began with, or give another --out, or --overwrite it',
  })
}

function firstDifference(left: unknown, right: unknown, path = ''): { path: string; left: unknown; right: unknown } | undefined {
  if (isRecord(left) && isRecord(right)) {
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      const found = firstDifference(left[key], right[key], path ? `${path}.${key}` : key)
      if (found) return found
    }
    return undefined
  }
  return JSON.stringify(left) === JSON.stringify(right) ? undefined : { path, left, right }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
