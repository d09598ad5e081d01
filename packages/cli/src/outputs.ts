import { extname } from 'node:path'
import { InvalidValueError, type ModelFacts, sizeOf } from '@niceflow/core'
import { npyHeader, writePng } from '@niceflow/formats'
import { imageGrid } from '@niceflow/report'
import { csvHeading, csvRows } from './text.ts'

/** Examples of the shape `dims`, the last of them the model's dimensions, in parts that may be made while they are written. */
export type ExamplesInParts = { readonly dims: readonly number[]; readonly parts: AsyncIterable<Float32Array> | Iterable<Float32Array> }

/** The bytes of a file of examples; `columns` of them stand beside one another in a picture. */
export type ExamplesWriter = (examples: ExamplesInParts, model: ModelFacts, columns: number | undefined) => AsyncIterable<Uint8Array>

/** The most images of a grid: it is made in memory, and shown there. */
const gridLimit = 10_000

/** The kinds of file that examples can go to. */
const writers: Readonly<Record<string, ExamplesWriter>> = {
  '.png': async function* ({ dims, parts }, { imageShape: shape, dataRange: range }, columns) {
    if (shape === null) {
      throw new InvalidValueError({ what: 'examples as PNG', expected: 'a model of images', got: 'vectors', remedy: 'write an .npy file' })
    }
    const images = new Float32Array(sizeOf(dims))
    let at = 0
    for await (const part of parts) {
      images.set(part, at)
      at += part.length
    }
    yield writePng(imageGrid(images, { shape, range, ...(columns === undefined ? {} : { columns }) }))
  },
  '.csv': async function* ({ dims, parts }, model) {
    yield Buffer.from(csvHeading(model))
    for await (const part of parts) yield Buffer.from(csvRows(part, dims.at(-1)!))
  },
  '.npy': async function* ({ dims, parts }) {
    yield npyHeader('float32', dims)
    for await (const { buffer, byteOffset, byteLength } of parts) yield new Uint8Array(buffer, byteOffset, byteLength)
  },
}

const kindOf = (out: string): string => extname(out).toLowerCase()

export const isPicture = (out: string): boolean => kindOf(out) === '.png'

/**
 * @param count of the examples that will be written
 * @param images that each of them is
 * @throws InvalidValueError (usage) for a file of another kind, and for more examples than one of its kind takes
 */
export function writerOf(out: string, count = 0, images = 1): ExamplesWriter {
  const write = writers[kindOf(out)]
  if (!write) throw new InvalidValueError({ what: '--out', expected: 'a file ending in .png, .npy or .csv', got: out, usage: true })
  const most = Math.floor(gridLimit / images)
  if (isPicture(out) && count > most) {
    const expected = `at most ${most} in a PNG${images > 1 ? `, ${images} images each` : ''}`
    const remedy = 'write an .npy file, which takes any number'
    throw new InvalidValueError({ what: '--count', expected, got: count, remedy, usage: true })
  }
  return write
}
