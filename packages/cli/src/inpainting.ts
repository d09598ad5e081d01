import { readFile } from 'node:fs/promises'
import { cellWidth, channelsOf, type Manifest, type ModelFacts, meanAndError, NiceflowError, rows, tensor } from '@niceflow/core'
import { InvalidFileError, readPng, toGrey } from '@niceflow/formats'
import { type Inpainting, makeMasks, maskNames } from '@niceflow/runtime'
import { openDataset } from './dataset.ts'
import type { Rows } from './examples.ts'
import { readInputs } from './inputs.ts'

/** What is filled: examples one after another under each mask in turn. */
export type Problem = {
  readonly masks: readonly string[]
  /** Examples under each mask. */
  readonly count: number
  /** [masks * count, dim] */
  readonly x: Rows
  readonly mask: Float32Array
}

/** Which examples, and what hides them. */
export type ProblemFlags = {
  readonly input: readonly string[] | undefined
  readonly dataset: string | undefined
  readonly dataDir: string | undefined
  readonly count: number
  readonly mask: string
  readonly seed: number
}

/** The mask that hides what is NaN. */
export const nanMask = 'nan'

/** Reads examples and masks. @throws NiceflowError for files, names and masks that are not the model's */
export async function readProblem(manifest: Manifest, flags: ProblemFlags): Promise<Problem> {
  const { model } = manifest
  // What is hidden need be no number; `inpaint` looks at what is observed.
  const given = flags.input ? await readInputs(flags.input, manifest, flags.dataDir, { holes: true }) : await ofDataset(manifest, flags)
  const masks = flags.mask === 'all' ? maskNames : [flags.mask]
  const count = given.dims[0]!
  const rows = masks.length * count
  const x = tensor(given.dtype, [rows, model.dim]) as Rows
  masks.forEach((_, i) => {
    x.data.set(given.data, i * given.data.length)
  })
  const drawn = await Promise.all(
    masks.map((name, i) => (name === nanMask ? numbersOf(given) : readMask(name, model, count, flags.seed, i * count))),
  )
  const mask = new Float32Array(x.data.length)
  drawn.forEach((one, i) => {
    mask.set(one, i * count * model.dim)
  })
  return { masks, count, x, mask }
}

async function ofDataset(manifest: Manifest, { dataset: name, dataDir, count }: ProblemFlags): Promise<Rows> {
  const dataset = await openDataset(name!, { dataDir }, manifest)
  const { dim } = manifest.model
  if (dataset.dim !== dim) throw new NiceflowError(`dataset ${name}: expected ${dim} dimensions, like the model, got ${dataset.dim}`)
  const taken = Math.min(count, dataset.test.dims[0]!)
  return rows<'uint8' | 'float32'>(dataset.test, 0, taken)
}

function numbersOf({ data }: Rows): Float32Array {
  return Float32Array.from(data, (value) => Number(!Number.isNaN(value)))
}

/** A mask by name, or an image of one: white is observed, black is hidden. */
async function readMask(
  name: string,
  { imageShape, dim }: ModelFacts,
  count: number,
  seed: number,
  firstIndex: number,
): Promise<Float32Array> {
  const shape = imageShape ?? ([1, dim] as const)
  if (!/\.png$/i.test(name)) return makeMasks(name, shape, count, { seed, firstIndex })
  const bytes = await readFile(name).catch((cause: NodeJS.ErrnoException) => {
    throw new NiceflowError(`mask ${name}: cannot be read: ${cause.code}`, { cause, remedy: 'check the path' })
  })
  const { width, height, data } = toGrey(readPng(bytes, name))
  if (height !== shape[0] || width !== shape[1]) {
    throw new InvalidFileError(name, { what: 'mask size', expected: `${shape[1]} x ${shape[0]}`, got: `${width} x ${height}` })
  }
  const other = data.find((grey) => grey !== 0 && grey !== 255)
  if (other !== undefined) {
    throw new InvalidFileError(name, { what: 'mask', expected: '0 (black, hidden) and 255 (white, observed)', got: String(other) })
  }
  const channels = channelsOf(shape)
  return Float32Array.from({ length: count * dim }, (_, k) => Number(data[Math.floor((k % dim) / channels)] === 255))
}

/** How well some rows were filled. */
export type MaskFigures = {
  readonly mask: string
  readonly examples: number
  /** Nats on the model's data range. */
  readonly logLikelihood: { readonly mean: number; readonly standardError: number }
  /** Root mean square distance of hidden pixels from those of the input, in units of the data range; null where the input has none. */
  readonly hiddenError: number | null
}

/** Figures for each mask, and for all together. */
export function figuresOf(
  model: ModelFacts,
  { masks, count, x, mask }: Problem,
  found: Inpainting,
): { all: MaskFigures; byMask: readonly MaskFigures[] } {
  const { dim, dataRange } = model
  const [low, high] = dataRange
  const truth = (k: number): number => (x.dtype === 'uint8' ? low + (x.data[k]! + 0.5) * cellWidth(dataRange) : x.data[k]!)
  const part = (name: string, from: number, to: number): MaskFigures => {
    let [sum, hidden] = [0, 0]
    for (let k = from * dim; k < to * dim; k++) {
      if (mask[k] === 1) continue
      sum += (found.x.data[k]! - truth(k)) ** 2
      hidden++
    }
    const error = Math.sqrt(sum / hidden) / (high - low)
    const logLikelihood = meanAndError(found.logLikelihood.subarray(from, to))
    return { mask: name, examples: to - from, logLikelihood, hiddenError: Number.isFinite(error) ? error : null }
  }
  return {
    all: part(masks.length === 1 ? masks[0]! : 'all', 0, masks.length * count),
    byMask: masks.map((name, i) => part(name, i * count, (i + 1) * count)),
  }
}
