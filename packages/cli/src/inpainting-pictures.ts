import { extname } from 'node:path'
import { cellWidth, type ImageShape, InvalidValueError, type ModelFacts, NiceflowError } from '@niceflow/core'
import { writeGif, writeNpy, writePng } from '@niceflow/formats'
import { imageGrid } from '@niceflow/report'
import type { Inpainting } from '@niceflow/runtime'
import { writeAtomic } from '@niceflow/trainer'
import type { Problem } from './inpainting.ts'
import { csvHeading, csvRows } from './text.ts'

/** What can be shown of an ascent. */
export type Filled = {
  readonly model: ModelFacts
  readonly problem: Problem
  readonly found: Inpainting
  /** Examples on the way, [n, dim] flat each, from the start to the end; none where nobody looks. */
  readonly frames: readonly Float32Array[]
}

type Writer = (filled: Filled) => Uint8Array | Promise<Uint8Array>

const table: Writer = ({ model, found: { x } }) => Buffer.from(`${csvHeading(model)}${csvRows(x.data, model.dim)}`)

/** The flags that name a file, and what goes to it by its ending. */
export const writers: Readonly<Record<'out' | 'figure' | 'trajectory', Readonly<Record<string, Writer>>>> = {
  out: { '.png': filledImages, '.npy': ({ found }) => writeNpy(found.x), '.csv': table },
  figure: { '.png': figure },
  trajectory: { '.gif': animation, '.png': strip },
}

/** A path for each flag that is given. */
export type Paths = { readonly [F in keyof typeof writers]?: string | undefined }

const writerOf = (flag: string, path: string): Writer | undefined => writers[flag as keyof Paths]![extname(path).toLowerCase()]

const given = (paths: Paths): [flag: string, path: string][] =>
  Object.keys(writers).flatMap((flag) => {
    const path = paths[flag as keyof Paths]
    return path === undefined ? [] : [[flag, path]]
  })

/** @throws NiceflowError (usage) for an ending that a flag has not, and where nothing is asked for though nobody reads JSON */
export function assertPaths(paths: Paths, json: boolean): void {
  for (const [flag, path] of given(paths)) {
    if (writerOf(flag, path)) continue
    const expected = `a file ending in ${Object.keys(writers[flag as keyof Paths]).join(', ')}`
    throw new InvalidValueError({ what: `--${flag}`, expected, got: path, usage: true })
  }
  if (!json && given(paths).length === 0) {
    throw new NiceflowError('expected --out, --figure, --trajectory or --json: something to show for it', { usage: true })
  }
}

/** @throws InvalidValueError for pictures of a model that is not one of images */
export function assertPictures(paths: Paths, { imageShape }: ModelFacts): void {
  const picture = given(paths).find(([, path]) => !['.npy', '.csv'].includes(extname(path).toLowerCase()))
  if (imageShape !== null || !picture) return
  throw new InvalidValueError({
    what: `--${picture[0]}`,
    expected: 'a model of images',
    got: 'vectors',
    remedy: 'write --out to a .csv or .npy file',
  })
}

/** Writes what is asked for. @returns the files */
export async function writePictures(paths: Paths, filled: Filled): Promise<string[]> {
  for (const [flag, path] of given(paths)) await writeAtomic(path, await writerOf(flag, path)!(filled))
  return given(paths).map(([, path]) => path)
}

/** Images in a row of a picture: those under one mask, or ten. */
const acrossOf = ({ masks, count }: Problem): number => (masks.length > 1 ? count : Math.min(count, 10))

const shapeOf = ({ imageShape }: ModelFacts): ImageShape => imageShape!

/** One image is itself, to be read again; several are a grid. */
function filledImages({ model, problem, found: { x } }: Filled): Uint8Array {
  const alone = x.dims[0] === 1 ? { gap: 0, scale: 1 } : {}
  return writePng(imageGrid(x.data, { shape: shapeOf(model), range: model.dataRange, columns: acrossOf(problem), ...alone }))
}

/** The grey of hidden pixels where a mask is shown, and of those that are NaN, as a share of the range. */
const hiddenShade = 0.5

/** Originals, what of them is observed, and how they were filled, beside one another; a row for each mask, or for every ten examples. */
function figure({ model, problem, found }: Filled): Uint8Array {
  const { x, mask } = problem
  const { dim, dataRange } = model
  const [low, high] = dataRange
  const across = acrossOf(problem)
  const shade = low + hiddenShade * (high - low)
  const shown = (value: number): number =>
    x.dtype === 'uint8' ? low + (value + 0.5) * cellWidth(dataRange) : Number.isNaN(value) ? shade : value
  const original = Float32Array.from(x.data, shown)
  const observed = original.map((value, k) => (mask[k] === 1 ? value : shade))
  const rows = Math.ceil(x.dims[0]! / across)
  const picture = new Float32Array(rows * 3 * across * dim).fill(low)
  for (let row = 0; row < rows; row++) {
    for (const [block, images] of [original, observed, found.x.data].entries()) {
      picture.set(images.subarray(row * across * dim, (row + 1) * across * dim), (3 * row + block) * across * dim)
    }
  }
  return writePng(imageGrid(picture, { shape: shapeOf(model), range: dataRange, columns: 3 * across }))
}

function animation({ model, problem, frames }: Filled): Promise<Uint8Array> {
  const options = { shape: shapeOf(model), range: model.dataRange, columns: acrossOf(problem) }
  return writeGif(frames.map((frame) => imageGrid(frame, options)))
}

/** A row for each example, time going right. */
function strip({ model, frames }: Filled): Uint8Array {
  const { dim, dataRange: range } = model
  const picture = new Float32Array(frames.length * frames[0]!.length)
  frames.forEach((frame, time) => {
    for (let row = 0; row < frame.length / dim; row++) {
      picture.set(frame.subarray(row * dim, (row + 1) * dim), (row * frames.length + time) * dim)
    }
  })
  return writePng(imageGrid(picture, { shape: shapeOf(model), range, columns: frames.length }))
}
