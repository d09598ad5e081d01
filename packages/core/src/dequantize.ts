import { cellWidth, type DataRange, pixelLevels } from './likelihood.ts'
import { fillUniform, type Key, streamKey } from './random.ts'

/**
 * How pixels become numbers on a data range [low, high].
 * `independent`, the paper's: x_d = low + (pixel_d + u_d) * cell width, with noise u for each example.
 * `shared`, as PyTorch's masked form has it: x_d = low + min(1, pixel_d / 255 + u_d / 256) * (high - low), with one u for a whole batch. Cells
 * are as wide, and apart; a pixel of 255 is always `high`, so that what is measured there is no density of noise.
 */
export const dequantizations = ['independent', 'shared'] as const
export type Dequantization = (typeof dequantizations)[number]

/** The key of an example's noise. Shared noise is its batch's own; scores are of batch 0, so that they depend on a seed and a draw alone. */
export function noiseKey(how: Dequantization, seed: number, { index, draw, batch = 0 }: NoiseOf): Key {
  return streamKey(seed, 'dequantization', how === 'shared' ? batch : index, draw)
}

/** Whose noise: which draw of which example, in which batch. */
export type NoiseOf = { readonly index: number; readonly draw: number; readonly batch?: number }

/**
 * Spreads one example's pixels over the data range, u_d uniform in (0, 1). Training and scoring both do it here, with the key that `noiseKey`
 * gives, so that the same example, draw and seed give the same numbers wherever they are asked for.
 *
 * Values are rounded to float32, so the topmost may equal the range's upper end.
 * @param pixels the 8-bit pixels of one example, [dim]
 * @param out where the example's `dim` values are written, from `offset`
 * @see Dinh et al. 2014, section 5.1 (uniform noise of 1/256 on [0, 1]); Theis et al. 2016, section 3.1
 */
export function dequantizeRow(
  pixels: Uint8Array,
  key: Key,
  range: DataRange,
  out: Float32Array,
  offset = 0,
  how: Dequantization = 'independent',
): void {
  const [low, high] = range
  const cell = cellWidth(range)
  fillUniform(key, out, offset, offset + pixels.length)
  if (how === 'independent') {
    for (let d = 0; d < pixels.length; d++) out[offset + d] = low + (pixels[d]! + out[offset + d]!) * cell
    return
  }
  const step = (high - low) / highest
  for (let d = 0; d < pixels.length; d++) out[offset + d] = Math.min(high, low + pixels[d]! * step + out[offset + d]! * cell)
}

/** The largest pixel. */
const highest = pixelLevels - 1

/** The pixel whose cell holds each value, the inverse of `dequantizeRow`; values outside the range are clamped to it, and NaN is 0. */
export function quantizePixels(values: Float32Array, [low, high]: DataRange, how: Dequantization = 'independent'): Uint8Array {
  const pixels = new Uint8ClampedArray(values.length)
  const steps = how === 'shared' ? highest : pixelLevels
  for (let i = 0; i < values.length; i++) pixels[i] = Math.floor(((values[i]! - low) / (high - low)) * steps)
  return new Uint8Array(pixels.buffer)
}

/** Shared dequantisation as a formula that a model's files can carry. */
export function sharedFormula([low, high]: DataRange): string {
  const sum = `pixel / ${highest} + u / ${pixelLevels}`
  const [from, times] = [low === 0 ? '' : `${low} + `, high - low === 1 ? '' : ` * ${high - low}`]
  return `x = min(${high}, ${from}${times ? `(${sum})${times}` : sum}), u uniform on (0, 1), one for all examples of a batch`
}
