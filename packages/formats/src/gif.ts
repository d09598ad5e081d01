import { InvalidValueError } from '@niceflow/core'
import { encode } from 'modern-gif'
import { type Image, toRgb } from './png.ts'

export type GifOptions = {
  /** How long each frame is shown, milliseconds (GIF has hundredths of a second). @default 100 */
  readonly delay?: number
  /** How long the last one is. @default 1500 */
  readonly hold?: number
}

/**
 * The bytes of an animation that begins again when it has ended; equal frames give equal bytes. A GIF has 255 colours: greys are off by a level
 * at most, colours by more.
 * @param frames opaque images of one size
 * @throws InvalidValueError for no frames, and for frames that are not opaque or not alike
 */
export async function writeGif(frames: readonly Image[], { delay = 100, hold = 1500 }: GifOptions = {}): Promise<Uint8Array> {
  const [first] = frames
  if (!first) throw new InvalidValueError({ what: 'frames of a GIF', expected: 'one or more', got: 'none' })
  const { width, height, channels } = first
  const odd = frames.find((frame) => frame.width !== width || frame.height !== height || frame.channels !== channels)
  if (odd) {
    throw new InvalidValueError({
      what: 'frame of a GIF',
      expected: `${width} x ${height} of ${channels} channels`,
      got: `${odd.width} x ${odd.height} of ${odd.channels} channels`,
    })
  }
  const shown = frames.map((frame, i) => ({ data: opaque(frame), delay: i === frames.length - 1 ? hold : delay }))
  return new Uint8Array(await encode({ width, height, looped: true, loopCount: 0, frames: shown }))
}

function opaque(frame: Image): Uint8ClampedArray<ArrayBuffer> {
  const { data } = toRgb(frame)
  const rgba = new Uint8ClampedArray((4 * data.length) / 3).fill(255)
  data.forEach((level, at) => {
    rgba[Math.floor(at / 3) * 4 + (at % 3)] = level
  })
  return rgba
}
