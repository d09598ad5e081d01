import { channelsOf, type ModelFacts, quantizePixels } from '@niceflow/core'
import { type Image, writePng } from '@niceflow/formats'
import { RequestError } from '../errors.ts'

/** Examples as a PNG: one is the image itself, several are set edge to edge in rows as near to a square as may be. @throws RequestError for data that are no images */
export function sheet(x: Float32Array, { imageShape, dataRange, dim }: ModelFacts): Uint8Array {
  if (imageShape === null) throw new RequestError('the model is not one of images: ask for JSON', { status: 406 })
  const [rows, columns] = imageShape
  const channels = channelsOf(imageShape)
  const pixels = quantizePixels(x, dataRange)
  const count = x.length / dim
  const across = Math.ceil(Math.sqrt(count))
  const image: Image = {
    width: across * columns,
    height: Math.ceil(count / across) * rows,
    channels,
    data: new Uint8Array(across * columns * Math.ceil(count / across) * rows * channels),
  }
  for (let i = 0; i < count; i++) {
    const corner = Math.floor(i / across) * rows * image.width + (i % across) * columns
    for (let row = 0; row < rows; row++) {
      const at = i * dim + row * columns * channels
      image.data.set(pixels.subarray(at, at + columns * channels), (corner + row * image.width) * channels)
    }
  }
  return writePng(image)
}
