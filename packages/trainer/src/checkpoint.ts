import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { type Imported, imageShapeSchema, NiceflowError, type Tensor } from '@niceflow/core'
import { type DataFacts, type PartialRecipe, presets, type Recipe, resolveRecipe } from '@niceflow/engine'
import type { ParameterValues } from '@niceflow/flow'
import { InvalidFileError, type Safetensors } from '@niceflow/formats'
import * as z from 'zod'
import { exists, syncFolder, writeAtomic, writeError } from './files.ts'
import { sealed, unsealed } from './sealed.ts'

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
  /** Where its first weights are from, if not drawn here. */
  readonly imported?: Imported | undefined
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

/** The picture of samples beside a snapshot. */
export const snapshotSamples = (epoch: number): string => snapshotFile(epoch).replace(/safetensors$/, 'png')

/** The epoch of a snapshot by its file's name, or its picture's; 0 for other files. */
export function snapshotEpoch(file: string): number {
  return Number(/^epoch-(\d{4,})\.(safetensors|png)$/.exec(file)?.[1] ?? 0)
}

/** Where the next `last` is written, before it takes its name. */
const nextFile = 'next.safetensors'

/** Whether a file of this name is a checkpoint, or the picture beside one. A run's history, lock and `samples.png` are not: alone they are no run. */
export function isCheckpoint(file: string): boolean {
  return [...Object.values<string>(checkpointFiles), nextFile].includes(file) || snapshotEpoch(file) > 0
}

/** The files that a run can be resumed from, the newest first. */
export const resumable: readonly string[] = [checkpointFiles.last, checkpointFiles.previous]

export class CheckpointError extends NiceflowError {
  override readonly name: string = 'CheckpointError'
}

/** A checkpoint whose bytes are not those that were written, or cannot be read from its disk any more. The one before it may still be whole. */
export class DamagedCheckpointError extends CheckpointError {
  override readonly name = 'DamagedCheckpointError'
}

export async function writeCheckpoint(path: string, { state, arrays }: Checkpoint): Promise<void> {
  await writeAtomic(path, sealed(arrays, { niceflow: JSON.stringify(state) }))
}

/** Writes `last`; the one before it stays as `previous`, so that at every moment there is one to go on from. */
export async function writeLast(folder: string, checkpoint: Checkpoint): Promise<void> {
  const last = join(folder, checkpointFiles.last)
  const fresh = join(folder, nextFile)
  await writeCheckpoint(fresh, checkpoint)
  try {
    if (await exists(last)) await rename(last, join(folder, checkpointFiles.previous))
    await rename(fresh, last)
  } catch (cause) {
    throw writeError('file', last, cause as NodeJS.ErrnoException)
  }
  await syncFolder(folder)
}

/**
 * @throws DamagedCheckpointError when its bytes are no checkpoint, do not match its digest, or are where the disk fails
 * @throws CheckpointError when the file is missing, is not niceflow's, comes from a newer one, or a field of its state is not as it must be
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EIO') throw damagedFile(`${path} cannot be read: ${cause.code}`, cause)
    throw new CheckpointError(`checkpoint ${path} cannot be read: ${cause.code ?? cause.message}`, {
      cause,
      remedy: 'check the path, or train first',
    })
  })
  const { tensors, metadata } = intact(bytes, path)
  const remedy = 'give a checkpoint that niceflow train wrote'
  if (metadata.niceflow === undefined)
    throw new CheckpointError(`checkpoint ${path}: expected niceflow's state among its metadata, got none`, { remedy })
  const state = parseState(metadata.niceflow, path)
  for (const [name, { dtype }] of Object.entries(tensors)) {
    if (dtype !== 'float32') throw new CheckpointError(`checkpoint ${path}: array "${name}": expected float32, got ${dtype}`, { remedy })
  }
  return { state, arrays: tensors as Record<string, Tensor<'float32'>> }
}

/** The contents of a checkpoint whose digest matches; one without a digest, from before there were any, is taken at its word. */
function intact(bytes: Uint8Array, path: string): Safetensors {
  try {
    return unsealed(bytes, path)
  } catch (error) {
    throw error instanceof InvalidFileError ? damagedFile(error.message, error) : error
  }
}

function damagedFile(fault: string, cause?: unknown): DamagedCheckpointError {
  return new DamagedCheckpointError(`checkpoint ${fault}`, { cause, remedy: 'copy it back from elsewhere, or train again' })
}

const count = z.int().positive()
const countOrZero = z.int().nonnegative()
const nats = z.number().nullable()

const stateSchema: z.ZodType<Omit<RunState, 'recipe'>> = z.strictObject({
  formatVersion: z.literal(1),
  recipe: z.strictObject({ flow: z.looseObject({ dim: count }), training: z.looseObject({}) }),
  data: z.strictObject({
    name: z.string(),
    sha256: z.string(),
    imageShape: imageShapeSchema,
    columns: z.array(z.string()).optional(),
    preparation: z
      .strictObject({
        resize: z.tuple([count, count]).optional(),
        grey: z.boolean().optional(),
        columns: z.array(z.string()).optional(),
        testFraction: z.number().optional(),
      })
      .optional(),
    count,
    pixels: z.boolean(),
  }),
  engine: z.string(),
  imported: z.strictObject({ format: z.string(), sha256: z.string() }).optional(),
  epoch: countOrZero,
  step: countOrZero,
  history: z.array(z.strictObject({ epoch: count, training: z.number(), validation: nats, learningRate: z.number() })),
  best: z.strictObject({ epoch: countOrZero, validation: nats }),
})

function parseState(json: string, path: string): RunState {
  const refused = (fault: string, remedy: string, cause?: unknown): CheckpointError =>
    new CheckpointError(`checkpoint ${path}: ${fault}`, { remedy, cause })
  const otherVersion = 'train again, or read it with the niceflow that wrote it'
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw refused('its state is not JSON', 'give a checkpoint that niceflow train wrote', cause)
  }
  const { formatVersion } = (value ?? {}) as { formatVersion?: unknown }
  if (typeof formatVersion === 'number' && formatVersion > 1)
    throw refused(`format version ${formatVersion}, this niceflow reads 1`, 'update niceflow')
  const result = stateSchema.safeParse(value)
  if (!result.success) {
    const { path: field, message } = result.error.issues[0]!
    throw refused(`${field.join('.') || 'state'}: ${message}`, otherVersion)
  }
  const state = value as RunState
  try {
    return { ...state, recipe: completed(state.recipe) }
  } catch (cause) {
    throw refused((cause as Error).message, otherVersion, cause)
  }
}

/** A recipe with the fields that came after it was written: what they add is off in the paper's recipe, as it was then. */
function completed(recipe: PartialRecipe & Recipe): Recipe {
  return resolveRecipe(presets.paper, recipe, recipe.flow.dim)
}

/** A file of a run that is no checkpoint any more, and what is wrong with it. */
export type Damage = { readonly file: string; readonly message: string }

/**
 * The newest checkpoint of a run that can be resumed: `last`, or the one before it where `last` is damaged, or where a crash came between two
 * renames. There may be damaged ones and no other.
 */
export async function findLast(folder: string): Promise<{ readonly checkpoint?: Checkpoint; readonly damaged: readonly Damage[] }> {
  const damaged: Damage[] = []
  for (const name of resumable) {
    const path = join(folder, name)
    if (!(await exists(path))) continue
    try {
      return { checkpoint: await readCheckpoint(path), damaged }
    } catch (error) {
      if (!(error instanceof DamagedCheckpointError)) throw error
      damaged.push({ file: name, message: error.message })
    }
  }
  return { damaged }
}
