import { expect, test } from 'vitest'
import { resizeImage } from './resize.ts'

const ramp = Uint8Array.from({ length: 64 }, (_, at) => 32 * (at % 8))

test('an image of the size wanted stays as it is', async () => {
  const image = { width: 8, height: 8, channels: 1, data: ramp } as const
  expect(await resizeImage(image, [8, 8])).toEqual(image)
})

test('a ramp stays a ramp, and an even grey the same grey', async () => {
  const { width, height, channels, data } = await resizeImage({ width: 8, height: 8, channels: 1, data: ramp }, [4, 2])
  expect([width, height, channels, data.length]).toEqual([4, 2, 1, 8])
  /** Two pixels of the ramp in mean; at the edges the filter has nothing to look at beyond. */
  const tolerance = 12
  for (const [at, level] of data.entries()) expect(Math.abs(level - (64 * (at % 4) + 16))).toBeLessThan(tolerance)
  const even = await resizeImage({ width: 3, height: 5, channels: 1, data: new Uint8Array(15).fill(77) }, [7, 2])
  expect([...even.data]).toEqual(new Array(14).fill(77))
})

test('colours keep their channels', async () => {
  const data = Uint8Array.from({ length: 3 * 16 }, (_, at) => [250, 100, 3][at % 3]!)
  expect(await resizeImage({ width: 4, height: 4, channels: 3, data }, [2, 2])).toEqual({
    width: 2,
    height: 2,
    channels: 3,
    data: Uint8Array.from({ length: 12 }, (_, at) => [250, 100, 3][at % 3]!),
  })
})

test('a side of no pixels is refused', async () => {
  const image = { width: 8, height: 8, channels: 1, data: ramp } as const
  await expect(resizeImage(image, [0, 8])).rejects.toThrow('width to scale to: expected an integer from 1, got 0')
})
