import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NiceflowError, tensor } from '@niceflow/core'
import type { MeasuredWhitening, MeasuringOptions, Recipe, TrainingData, WhiteningFacts } from '@niceflow/engine'
import { cacheFolder } from '@niceflow/runtime-node'
import { ensureFolder, writeAtomic } from './files.ts'
import { sealed, unsealed } from './sealed.ts'

/** A whitening that a run begins with: how well it whitens and what it adds to log-likelihoods, and where it came from. */
export type WhiteningReport = Pick<MeasuredWhitening, 'residual' | 'logDet'> & {
  readonly dim: number
  readonly epsilon: number
  readonly seconds: number
  /** Read from the cache, where an earlier run left it. */
  readonly cached: boolean
}

export type WhiteningCacheOptions = {
  readonly data: Pick<TrainingData, 'sha256'>
  /** Rows of the data that are whitened. */
  readonly indices: Uint32Array
  readonly recipe: Recipe
  /** @default whitening, in niceflow's folder of caches */
  readonly folder?: string
  readonly onWarning?: (message: string) => void
  readonly onFound?: (report: WhiteningReport) => void
}

/** Changes when the same data would be whitened otherwise. */
const formatVersion = 1

/**
 * Keeps whitenings on disk, a file each, named by the SHA-256 of all that they depend on: the data's own, the rows, the range, the preprocessing so
 * far, epsilon, and, where examples are dequantised before, the draws. A damaged file is measured anew; a disk that takes none costs a warning.
 */
export function whiteningCache({
  data: { sha256 },
  indices,
  recipe: { flow, training },
  folder = join(cacheFolder(), 'whitening'),
  onWarning,
  onFound,
}: WhiteningCacheOptions): NonNullable<MeasuringOptions['keep']> {
  const { dim, dataRange, preprocessing } = flow
  const rows = createHash('sha256')
    .update(new Uint8Array(indices.buffer, indices.byteOffset, indices.byteLength))
    .digest('hex')
  const keyOf = ({ steps, epsilon }: WhiteningFacts): string => {
    const draws = steps > 0 ? { seed: training.seed, imageShift: training.imageShift } : {}
    const facts = { formatVersion, sha256, rows, dim, dataRange, before: preprocessing.slice(0, steps), method: 'zca', epsilon, ...draws }
    return createHash('sha256').update(JSON.stringify(facts)).digest('hex')
  }
  return async (facts, measure) => {
    const start = performance.now()
    const file = join(folder, `${keyOf(facts)}.safetensors`)
    const known = await readWhitening(file, dim, onWarning)
    const found = known ?? (await measure())
    if (!known) {
      await keepWhitening(folder, file, dim, found).catch((error: unknown) => {
        if (!NiceflowError.is(error)) throw error
        onWarning?.(`the whitening is not kept for another run: ${error.message}`)
      })
    }
    const { residual, logDet } = found
    const seconds = (performance.now() - start) / 1000
    onFound?.({ dim, epsilon: facts.epsilon, residual, logDet, seconds, cached: known !== undefined })
    return found
  }
}

async function keepWhitening(folder: string, file: string, dim: number, whitening: MeasuredWhitening): Promise<void> {
  const { mean, matrix, inverse, logDet, residual } = whitening
  await ensureFolder(folder)
  const arrays = {
    mean: tensor('float32', [dim], mean),
    matrix: tensor('float32', [dim, dim], matrix),
    inverse: tensor('float32', [dim, dim], inverse),
  }
  await writeAtomic(file, sealed(arrays, { niceflow: JSON.stringify({ logDet, residual }) }))
}

/** The whitening in a file; undefined where there is none, or a damaged one, of which it warns. */
async function readWhitening(file: string, dim: number, onWarning?: (message: string) => void): Promise<MeasuredWhitening | undefined> {
  const bytes = await readFile(file).catch(() => undefined)
  if (bytes === undefined) return undefined
  try {
    const { tensors, metadata } = unsealed(bytes, file)
    const floats = (name: string, size: number): Float32Array => {
      const found = tensors[name]
      if (found?.dtype === 'float32' && found.data.length === size) return found.data
      throw new NiceflowError(`${file}: array "${name}": expected ${size} float32 numbers`)
    }
    const { logDet, residual } = JSON.parse(metadata.niceflow ?? '{}') as { logDet: number; residual: number }
    if (!Number.isFinite(logDet + residual)) throw new NiceflowError(`${file}: expected a log-determinant and a residual`)
    return { mean: floats('mean', dim), matrix: floats('matrix', dim ** 2), inverse: floats('inverse', dim ** 2), logDet, residual }
  } catch (error) {
    onWarning?.(`${(error as Error).message}; it is measured anew`)
    return undefined
  }
}
