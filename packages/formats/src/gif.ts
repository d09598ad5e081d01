import { InvalidValueError } from '@niceflow/core'
import { encode } from 'modern-gif'
import type { Image } from './png.ts'

export type GifOptions = {
  /** How long each frame is shown, milliseconds (GIF has hundredths of a second). @default 100 */
  readonly delay?: number
  /** How long the last one is. @default 1500 */
  readonly hold?: number
}

/**
 * The bytes of an animation that begins again when it has ended; equal frames give equal bytes. A GIF has 255 colours: greys are off by a level
 * at most.
 * @param frames grey images of one size
 * @throws InvalidValueError for no frames, and for frames that are not grey or not of one size
 */
export async function writeGif(frames: readonly Image[], { delay = 100, hold = 1500 }: GifOptions = {}): Promise<Uint8Array> {
  const [first] = frames
  if (!first) throw new InvalidValueError({ what: 'frames of a GIF', expected: 'one or more', got: 'none' })
  const { width, height } = first
  const odd = frames.find((frame) => frame.width !== width || frame.height !== height || frame.channels !== 1)
  if (odd) {
    throw new InvalidValueError({
      what: 'frame of a GIF',
      expected: `${width} x ${height}, grey`,
      got: `${odd.width} x ${odd.height} of ${odd.channels} channels`,
    })
  }
  const shown = frames.map((frame, i) => ({ data: opaque(frame), delay: i === frames.length - 1 ? hold : delay }))
  return new Uint8Array(await encode({ width, height, looped: true, loopCount: 0, frames: shown }))
}

function opaque({ data }: Image): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray(4 * data.length)
  data.forEach((grey, i) => {
    rgba.fill(grey, 4 * i, 4 * i + 3)
    rgba[4 * i + 3] = 255
  })
  return rgba
}
