import { InvalidValueError, type ModelFacts, NiceflowError, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { type ArrayLayout, InvalidFileError, readPng, toGrey } from '@niceflow/formats'
import { warn } from '../progress.ts'

/** Rows of a model's dimension: pixels, or floats on its data range. */
export type Rows = Tensor<'uint8'> | Tensor<'float32'>

/** The one row of an image. */
export function pixelsOf(bytes: Uint8Array, file: string, { imageShape, dim }: ModelFacts): Rows {
  const image = readPng(bytes, file)
  if (imageShape === null) {
    throw new InvalidFileError(file, {
      what: 'format',
      expected: `NPY or IDX with ${dim} numbers an example`,
      got: 'PNG',
      remedy: 'the model is not one of images',
    })
  }
  const [height, width] = imageShape
  if (image.height !== height || image.width !== width) {
    const remedy = 'scale the image to that size'
    throw new InvalidFileError(file, {
      what: 'image size',
      expected: `${width} x ${height}`,
      got: `${image.width} x ${image.height}`,
      remedy,
    })
  }
  try {
    return tensor('uint8', [1, dim], toGrey(image).data)
  } catch (error) {
    if (!NiceflowError.is(error)) throw error
    throw new NiceflowError(`${file}: ${error.message}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  }
}

/**
 * The dims [n, …] of an array of the model's examples; one example alone is an array of one.
 * @throws InvalidFileError for an array of another shape or element type, or of no examples
 */
export function examplesOf({ dims, dtype }: ArrayLayout, file: string, { dim, imageShape, pixels, dataRange }: ModelFacts): number[] {
  const rows = sizeOf(dims.slice(1)) === dim ? [...dims] : sizeOf(dims) === dim ? [1, ...dims] : [0]
  if (rows[0] === 0) {
    const expected = [`[n, ${dim}]`, ...(imageShape === null ? [] : [`[n, ${imageShape.join(', ')}]`])].join(' or ')
    throw new InvalidFileError(file, {
      what: 'shape',
      expected,
      got: `[${dims.join(', ')}]`,
      remedy: 'give examples of the size that the model was trained on',
    })
  }
  if (!(dtype === 'uint8' && pixels) && dtype !== 'float32' && dtype !== 'float64') {
    const floats = `float32 or float64 on [${dataRange.join(', ')}]`
    throw new InvalidFileError(file, {
      what: 'element type',
      expected: pixels ? `uint8 pixels, or ${floats}` : floats,
      got: dtype,
      remedy: 'convert the array',
    })
  }
  return rows
}

/** Rows of an array that `examplesOf` let pass. */
export function rowsOf({ dims, data }: Tensor, { dim }: ModelFacts): Rows {
  const shape = [dims[0]!, dim]
  if (data instanceof Uint8Array) return tensor('uint8', shape, data)
  return tensor('float32', shape, data instanceof Float32Array ? data : new Float32Array(data as Float64Array))
}

/** A density goes on beyond its data range, but bytes that were made floats are most likely a slip. @returns whether it warned */
export function warnOutside(file: string, { data }: Rows, [low, high]: ModelFacts['dataRange']): boolean {
  let [least, most] = [low, high]
  for (const value of data) {
    if (value < least) least = value
    if (value > most) most = value
  }
  const outside = least < low || most > high
  if (outside) warn(`${file}: values from ${least} to ${most} leave the model's data range [${low}, ${high}]`)
  return outside
}

/** The rows that hold no number that is not finite, as stretches [start, end) of them; the others are told of by name. */
export function finiteStretches(
  { dtype, dims, data }: Rows,
  nameOf: (row: number) => string,
  onBroken: (error: NiceflowError) => void,
): (readonly [start: number, end: number])[] {
  const [count, dim] = dims as [number, number]
  if (dtype === 'uint8') return [[0, count]]
  const stretches: (readonly [number, number])[] = []
  let start = 0
  for (let row = 0; row < count; row++) {
    const at = firstNonFinite(data, row * dim, (row + 1) * dim)
    if (at === -1) continue
    onBroken(new InvalidValueError({ what: nameOf(row), expected: 'finite numbers', got: `${data[at]} at ${at % dim}` }))
    if (row > start) stretches.push([start, row])
    start = row + 1
  }
  if (count > start) stretches.push([start, count])
  return stretches
}

function firstNonFinite(data: Float32Array, start: number, end: number): number {
  for (let i = start; i < end; i++) if (!Number.isFinite(data[i]!)) return i
  return -1
}
