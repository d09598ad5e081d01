import { channelsOf, isTable, type ModelFacts, NiceflowError, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { InvalidFileError } from './bytes.ts'
import { imageSize, isJpeg, readImage } from './image.ts'
import type { ArrayLayout } from './layout.ts'
import { type Image, toChannels } from './png.ts'

/** Rows of a model's dimension: pixels, or floats on its data range. */
export type Rows = Tensor<'uint8'> | Tensor<'float32'>

/**
 * The one row of an image file.
 * @throws InvalidFileError for an image of another size, which is not decoded, or for a model that is not one of images
 */
export function imageRow(bytes: Uint8Array, file: string, { imageShape, dim }: ModelFacts): Rows {
  if (imageShape === null) {
    throw new InvalidFileError(file, {
      what: 'format',
      expected: `NPY or IDX with ${dim} numbers an example`,
      got: isJpeg(bytes) ? 'JPEG' : 'PNG',
      remedy: 'the model is not one of images',
    })
  }
  const [height, width] = imageShape
  const size = imageSize(bytes, file)
  if (size.height !== height || size.width !== width) {
    throw new InvalidFileError(file, {
      what: 'image size',
      expected: `${width} x ${height}`,
      got: `${size.width} x ${size.height}`,
      remedy: 'scale the image to that size',
    })
  }
  return tensor('uint8', [1, dim], inChannels(readImage(bytes, file), channelsOf(imageShape), file).data)
}

/** An image of a file as grey levels, or as colours. @throws NiceflowError naming the file, as `toChannels` */
export function inChannels(image: Image, channels: 1 | 3, file: string): Image {
  try {
    return toChannels(image, channels)
  } catch (error) {
    if (!NiceflowError.is(error)) throw error
    throw new NiceflowError(`${file}: ${error.message}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  }
}

/**
 * The dims [n, …] of an array of the model's examples; one example alone is an array of one.
 * @throws InvalidFileError for an array of another shape or element type, or of no examples
 */
export function examplesOf({ dims, dtype }: ArrayLayout, file: string, model: ModelFacts): number[] {
  const { dim, imageShape, pixels, dataRange } = model
  const rows = sizeOf(dims.slice(1)) === dim ? [...dims] : sizeOf(dims) === dim ? [1, ...dims] : [0]
  // In an array of colour images the channels may be the first axis, not the last: as many numbers, of another image.
  const misplaced = imageShape?.length === 3 && rows.length > 2 && String(rows.slice(1)) !== String(imageShape)
  if (rows[0] === 0 || misplaced) {
    const expected = [`[n, ${dim}]`, ...(imageShape === null ? [] : [`[n, ${imageShape.join(', ')}]`])].join(' or ')
    throw new InvalidFileError(file, {
      what: 'shape',
      expected,
      got: `[${dims.join(', ')}]`,
      remedy: misplaced
        ? 'put the channels of a pixel side by side, as the last axis'
        : 'give examples of the size that the model was trained on',
    })
  }
  if (!(dtype === 'uint8' && pixels) && dtype !== 'float32' && dtype !== 'float64') {
    const floats = `float32 or float64${isTable(model) ? '' : ` on [${dataRange.join(', ')}]`}`
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
