import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { NiceflowError, type Tensor } from '@niceflow/core'
import type { ParameterValues } from '@niceflow/flow'
import { readSafetensors, writeSafetensors } from '@niceflow/formats'
import type { Recipe } from './config.ts'
import { exists, syncFolder, writeAtomic } from './files.ts'
import type { DataFacts } from './training-data.ts'

/** One epoch of a run. Log-likelihoods in nats on the data range, means over examples. */
export type EpochRecord = {
  readonly epoch: number
  /** Over the epoch's batches, each before its update. */
  readonly training: number
  /** Over the held-out examples after the epoch; null where none are held out. */
  readonly validation: number | null
  readonly learningRate: number
}

/** What a run is, apart from its arrays. No clock time, host or path: identical runs have identical checkpoints. */
export type RunState = {
  readonly formatVersion: 1
  readonly recipe: Recipe
  readonly data: DataFacts
  readonly engine: string
  /** Epochs and steps that made these arrays. */
  readonly epoch: number
  readonly step: number
  readonly history: readonly EpochRecord[]
  /** The epoch whose weights are kept as the best: by validation, or the last where none is held out. */
  readonly best: { readonly epoch: number; readonly validation: number | null }
}

/** A run at a moment: its state and its arrays by name; the optimizer's among them where it can go on from here. */
export type Checkpoint = { readonly state: RunState; readonly arrays: ParameterValues }

/** The files of a run. `last` and `previous` can be resumed from; the others hold weights only. */
export const checkpointFiles = { last: 'last.safetensors', previous: 'previous.safetensors', best: 'best.safetensors' } as const

export const snapshotFile = (epoch: number): string => `epoch-${String(epoch).padStart(4, '0')}.safetensors`

/** Where the next `last` is written, before it takes its name. */
const nextFile = 'next.safetensors'

/** Whether a run wrote a file of this name: what `--overwrite` removes. */
export function isCheckpoint(file: string): boolean {
  return [...Object.values<string>(checkpointFiles), nextFile].includes(file) || /^epoch-\d{4,}\.safetensors$/.test(file)
}

export class CheckpointError extends NiceflowError {
  override readonly name = 'CheckpointError'
}

export async function writeCheckpoint(path: string, { state, arrays }: Checkpoint): Promise<void> {
  await writeAtomic(path, writeSafetensors(arrays, { niceflow: JSON.stringify(state) }))
}

/** Writes `last`; the one before it stays as `previous`, so that at every moment there is one to go on from. */
export async function writeLast(folder: string, checkpoint: Checkpoint): Promise<void> {
  const last = join(folder, checkpointFiles.last)
  const fresh = join(folder, nextFile)
  await writeCheckpoint(fresh, checkpoint)
  if (await exists(last)) await rename(last, join(folder, checkpointFiles.previous))
  await rename(fresh, last)
  await syncFolder(folder)
}

/**
 * @throws CheckpointError when the file is missing, is no checkpoint of this program, or comes from a newer one
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new CheckpointError(`checkpoint ${path} cannot be read: ${cause.code ?? cause.message}`, {
      cause,
      remedy: 'check the path, or train first',
    })
  })
  const { tensors, metadata } = readSafetensors(bytes, path)
  const remedy = 'give a checkpoint that niceflow train wrote'
  if (metadata.niceflow === undefined)
    throw new CheckpointError(`checkpoint ${path}: expected niceflow's state among its metadata, got none`, { remedy })
  const state = parseState(metadata.niceflow, path)
  if (state.formatVersion !== 1) {
    throw new CheckpointError(`checkpoint ${path}: format version ${state.formatVersion}, this niceflow reads 1`, {
      remedy: 'update niceflow',
    })
  }
  return { state, arrays: tensors as Record<string, Tensor<'float32'>> }
}

function parseState(json: string, path: string): RunState {
  try {
    return JSON.parse(json) as RunState
  } catch (cause) {
    throw new CheckpointError(`checkpoint ${path}: its state is not JSON`, { cause, remedy: 'give a checkpoint that niceflow train wrote' })
  }
}

/** The newest checkpoint of a run that can be resumed: `last`, or the one before it where a crash came between two renames. */
export async function findLast(folder: string): Promise<Checkpoint | undefined> {
  for (const name of [checkpointFiles.last, checkpointFiles.previous]) {
    const path = join(folder, name)
    if (await exists(path)) return readCheckpoint(path)
  }
  return undefined
}

/**
 * Refuses to go on from a checkpoint of another recipe or other data.
 * @throws CheckpointError naming the first field that differs
 */
export function assertSameRun(folder: string, { recipe, data }: RunState, wanted: Pick<RunState, 'recipe' | 'data'>): void {
  const difference = firstDifference({ ...recipe, data }, { ...wanted.recipe, data: wanted.data })
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
