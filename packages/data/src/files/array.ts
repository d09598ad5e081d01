import { basename, dirname, join } from 'node:path'
import { type ImageShape, NiceflowError, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { type Image, InvalidFileError, readIdx, readNpy } from '@niceflow/formats'
import { readWhole } from './folder.ts'
import { imagesPart } from './images.ts'
import type { Part, PartOptions } from './part.ts'

/**
 * An array of examples: images [n, rows, columns] or [n, rows, columns, 3] of uint8, or numbers [n, columns] of float32, float64 or uint8.
 * @throws InvalidFileError for another shape or element type, and for a number that is not finite, by row and column
 */
export async function arrayPart(file: string, kind: 'NPY' | 'IDX', options: PartOptions): Promise<Part> {
  const array = (kind === 'NPY' ? readNpy : readIdx)(await readWhole(file), file)
  const { dtype, dims, data } = array
  const labels = dims.length === 3 || dims.length === 4 ? await labelsBeside(file, dims[0]!) : undefined
  const classes = labels && { classes: labels }
  if (dtype === 'uint8' && (dims.length === 3 || (dims.length === 4 && dims[3] === 3))) {
    const [, height, width] = dims as [number, number, number]
    const [size, channels] = [sizeOf(dims.slice(1)), dims.length === 3 ? 1 : 3] as const
    if (!options.resize && !(channels === 3 && options.grey)) {
      const imageShape: ImageShape = channels === 3 ? [height, width, 3] : [height, width]
      return { examples: tensor('uint8', [dims[0]!, size], data), imageShape, ...classes }
    }
    const image = (i: number): Image => ({ width, height, channels, data: data.subarray(i * size, (i + 1) * size) })
    const images = Array.from({ length: dims[0]! }, (_, i) => ({ name: `${file}[${i}]`, read: () => image(i) }))
    return { ...(await imagesPart(images, options)), ...classes }
  }
  if (dims.length === 2 && dtype === 'uint8') return { examples: tensor('uint8', dims, data), imageShape: null }
  if (dims.length === 2 && (dtype === 'float32' || dtype === 'float64')) return numbersPart(file, array, options)
  const remedy =
    dims.length === 1
      ? 'give the file of the examples: one number each is what labels are'
      : "convert the array, for example with array.reshape(len(array), -1).astype('float32')"
  throw new InvalidFileError(file, {
    what: `${kind} array`,
    expected: 'images uint8 [n, rows, columns] or [n, rows, columns, 3], or numbers float32 or float64 [n, columns]',
    got: `${dtype} [${dims.join(', ')}]`,
    remedy,
  })
}

function numbersPart(file: string, { dims, data }: Tensor, { onHole }: PartOptions): Part {
  const width = dims[1]!
  const numbers = data instanceof Float32Array ? data : new Float32Array(data as Float64Array)
  numbers.forEach((value, at) => {
    if (Number.isFinite(value)) return
    const [row, column] = [Math.floor(at / width), at % width]
    const given = Number(data[at])
    if (onHole) {
      onHole({ row: row + 1, line: row + 1, column, text: Number.isNaN(given) ? '' : String(given) })
      return
    }
    const what = `row ${row + 1}, column ${column + 1}`
    throw new InvalidFileError(file, {
      what,
      expected: 'a finite float32 number',
      got: given,
      remedy: 'fill in the value, or remove the row',
    })
  })
  return { examples: tensor('float32', dims, numbers), imageShape: null }
}

/** How many examples of each class the file of labels counts that lies beside one of images, as those of MNIST do. */
async function labelsBeside(file: string, count: number): Promise<Part['classes']> {
  const name = basename(file).replace('images', 'labels')
  if (name === basename(file)) return undefined
  const paths = [name.replace('idx3', 'idx1'), name].map((one) => join(dirname(file), one))
  for (const path of paths) {
    try {
      const { data, dims } = (path.endsWith('.npy') ? readNpy : readIdx)(await readWhole(path), path)
      if (dims.length === 1 && dims[0] === count) return countOf(Array.from(data as Uint8Array, String))
    } catch (error) {
      // What is there only to be counted is not there.
      if (!NiceflowError.is(error)) throw error
    }
  }
  return undefined
}

function countOf(labels: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1
  return counts
}
