import { cellWidth, type DataRange, pixelLevels } from './likelihood.ts'
import { fillUniform, type Key } from './random.ts'

/**
 * Spreads one example's pixels over their cells of the data range: x_d = low + (pixel_d + u_d) * cell width, u_d uniform in (0, 1).
 * Training and scoring both do it here, with the key `streamKey(seed, 'dequantization', index of the example, draw)`, so that the same
 * example, draw and seed give the same numbers wherever they are asked for.
 *
 * Values are rounded to float32, so the topmost may equal the range's upper end.
 * @param pixels the 8-bit pixels of one example, [dim]
 * @param out where the example's `dim` values are written, from `offset`
 * @see Dinh et al. 2014, section 5.1 (uniform noise of 1/256 on [0, 1]); Theis et al. 2016, section 3.1
 */
export function dequantizeRow(pixels: Uint8Array, key: Key, range: DataRange, out: Float32Array, offset = 0): void {
  const low = range[0]
  const cell = cellWidth(range)
  fillUniform(key, out, offset, offset + pixels.length)
  for (let d = 0; d < pixels.length; d++) out[offset + d] = low + (pixels[d]! + out[offset + d]!) * cell
}

/** The pixel whose cell holds each value, the inverse of `dequantizeRow`; values outside the range are clamped to it, and NaN is 0. */
export function quantizePixels(values: Float32Array, [low, high]: DataRange): Uint8Array {
  const pixels = new Uint8ClampedArray(values.length)
  for (let i = 0; i < values.length; i++) pixels[i] = Math.floor(((values[i]! - low) / (high - low)) * pixelLevels)
  return new Uint8Array(pixels.buffer)
}
