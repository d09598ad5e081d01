import { decode, decodeFrames } from 'modern-gif'
import { expect, test } from 'vitest'
import { writeGif } from './gif.ts'
import type { Image } from './png.ts'

/** Every grey, moved on by one frame after another. */
const frames = [0, 50, 100].map(
  (by): Image => ({ width: 16, height: 16, channels: 1, data: Uint8Array.from({ length: 256 }, (_, i) => (i + by) % 256) }),
)

test('an animation holds its frames, greys within a level, the last one held', async () => {
  const bytes = await writeGif(frames, { delay: 40, hold: 900 })
  expect(new TextDecoder().decode(bytes.subarray(0, 6))).toBe('GIF89a')
  const { width, height, looped, loopCount } = decode(bytes)
  expect({ width, height, looped, loopCount }).toEqual({ width: 16, height: 16, looped: true, loopCount: 0 })
  const read = decodeFrames(bytes)
  expect(read.map(({ delay }) => delay)).toEqual([40, 40, 900])
  read.forEach(({ data }, i) => {
    const levels = Array.from(frames[i]!.data, (grey, at) => Math.abs(grey - data[4 * at]!))
    expect(Math.max(...levels)).toBeLessThanOrEqual(1)
  })
})

test('equal frames give equal bytes', async () => {
  expect(await writeGif(frames)).toEqual(await writeGif(frames))
})

test('no frames, and frames that do not go together, are refused', async () => {
  await expect(writeGif([])).rejects.toThrow('frames of a GIF: expected one or more, got none')
  const wide: Image = { width: 32, height: 8, channels: 1, data: frames[0]!.data }
  await expect(writeGif([frames[0]!, wide])).rejects.toThrow('frame of a GIF: expected 16 x 16 of 1 channels, got 32 x 8 of 1 channels')
})
