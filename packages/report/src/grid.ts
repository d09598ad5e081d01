import { channelsOf, type DataRange, type ImageShape, InvalidValueError, quantizePixels, sizeOf } from '@niceflow/core'
import type { Image } from '@niceflow/formats'

export type GridOptions = {
  /** Of one image. */
  readonly shape: ImageShape
  /** Images beside one another; as many as bring the grid nearest to a square when left out. */
  readonly columns?: number
  /** Width of the lines between and around the images, in pixels of the grid. */
  readonly gap?: number
  /** Every pixel becomes a square of this side. */
  readonly scale?: number
  /** Where floats live; they are cut into 256 cells, those outside are clamped. Bytes are pixels already. */
  readonly range?: DataRange
}

/** The grey of the lines: quiet beside black and beside white images, on light pages and on dark ones. */
const gapLevel = 96

/**
 * Lays images out in rows, left to right, in 8-bit grey or colour, as they are. NaN is drawn black.
 * @param images row-major pixels [images, …shape], flat
 * @throws InvalidValueError when the pixels are not a positive number of whole images, or an option is out of range
 */
export function imageGrid(images: Float32Array | Uint8Array, options: GridOptions): Image {
  const { shape, gap = 2, scale = 2, range = [0, 1] } = options
  const [rows, columns] = shape
  whole('rows of an image', rows, 1)
  whole('columns of an image', columns, 1)
  whole('gap of a grid', gap, 0)
  whole('scale of a grid', scale, 1)
  if (!(range[0] < range[1])) throw new InvalidValueError({ what: 'range of a grid', expected: 'low < high', got: range })
  const count = images.length / sizeOf(shape)
  if (!Number.isInteger(count) || count === 0) {
    throw new InvalidValueError({ what: 'pixels of a grid', expected: `a positive multiple of ${shape.join(' x ')}`, got: images.length })
  }
  const across = options.columns ?? Math.min(count, Math.ceil(Math.sqrt((count * rows) / columns)))
  whole('columns of a grid', across, 1)

  const pixels = images instanceof Uint8Array ? images : quantizePixels(images, range)
  const stepX = columns * scale + gap
  const stepY = rows * scale + gap
  const width = across * stepX + gap
  const height = Math.ceil(count / across) * stepY + gap
  const channels = channelsOf(shape)
  const data = new Uint8Array(width * height * channels).fill(gapLevel)
  for (let image = 0; image < count; image++) {
    const left = (image % across) * stepX + gap
    const top = Math.floor(image / across) * stepY + gap
    for (let y = 0; y < rows * scale; y++) {
      const source = (image * rows + Math.floor(y / scale)) * columns
      const target = (top + y) * width + left
      for (let x = 0; x < columns * scale; x++) {
        const [from, to] = [(source + Math.floor(x / scale)) * channels, (target + x) * channels]
        for (let channel = 0; channel < channels; channel++) data[to + channel] = pixels[from + channel]!
      }
    }
  }
  return { width, height, channels, data }
}

function whole(what: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw new InvalidValueError({ what, expected: `a whole number of ${least} or more`, got: value })
}
