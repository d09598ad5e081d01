import { InvalidValueError } from '@niceflow/core'
import { Pica } from 'pica'
import type { Image } from './png.ts'

/** Plain code, without the workers and canvases of browsers: the same pixels everywhere. */
const scaler = new Pica({ features: ['js'] })

/**
 * Scales an opaque image to a size by pica's filter `mks2013`, which is sharp and does not ring (Costella's Magic Kernel Sharp).
 * @param image grey, or RGB
 * @throws InvalidValueError for a side of less than one pixel
 */
export async function resizeImage(
  { width, height, channels, data }: Image,
  [toWidth, toHeight]: readonly [width: number, height: number],
): Promise<Image> {
  for (const [what, side] of Object.entries({ 'width to scale to': toWidth, 'height to scale to': toHeight })) {
    if (!Number.isInteger(side) || side < 1) throw new InvalidValueError({ what, expected: 'an integer from 1', got: side, usage: true })
  }
  if (width === toWidth && height === toHeight) return { width, height, channels, data }
  const colours = channels < 3 ? 1 : 3
  const src = new Uint8Array(4 * width * height).fill(255)
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let c = 0; c < 3; c++) src[4 * pixel + c] = data[channels * pixel + (colours === 3 ? c : 0)]!
  }
  const scaled = await scaler.resizeBuffer({ src, width, height, toWidth, toHeight })
  const out = new Uint8Array(colours * toWidth * toHeight)
  for (let at = 0; at < out.length; at++) out[at] = scaled[4 * Math.floor(at / colours) + (at % colours)]!
  return { width: toWidth, height: toHeight, channels: colours, data: out }
}
