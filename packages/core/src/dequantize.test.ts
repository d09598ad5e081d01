import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DataRange, dequantizeRow, quantizePixels, streamKey, uniform } from './index.ts'

const ranges: readonly DataRange[] = [
  [0, 1],
  [-1, 1],
]

/** Values below 1 in magnitude are rounded to float32 by at most half of 2^-24, here counted in cells of the range. */
const roundingInCells = 2 ** -25 * 256

test('every value lies in its pixel’s cell of the range', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(), fc.constantFrom(...ranges), (pixels, index, range) => {
      const out = new Float32Array(pixels.length)
      dequantizeRow(pixels, streamKey(7, 'dequantization', index), range, out)
      const cell = (range[1] - range[0]) / 256
      pixels.forEach((pixel, d) => {
        const inCells = (out[d]! - range[0]) / cell
        expect(inCells).toBeGreaterThanOrEqual(pixel - roundingInCells)
        expect(inCells).toBeLessThanOrEqual(pixel + 1 + roundingInCells)
      })
    }),
  )
})

test('the value is low + (pixel + u) * cell with u the key’s own uniform draws', () => {
  const key = streamKey(3, 'dequantization', 11, 2)
  const u = uniform(key, 3)
  const out = new Float32Array(3)
  dequantizeRow(Uint8Array.of(0, 100, 255), key, [-1, 1], out)
  expect(out).toEqual(Float32Array.from([0, 100, 255], (pixel, d) => -1 + (pixel + u[d]!) / 128))
})

test('only dim values from the offset are written', () => {
  const out = new Float32Array(6).fill(9)
  dequantizeRow(Uint8Array.of(1, 2), streamKey(0, 'dequantization', 0), [0, 1], out, 3)
  expect([...out].map((value) => value === 9)).toEqual([true, true, true, false, false, true])
})

test('pixels are found again from the values that they were spread to; what lies outside is clamped', () => {
  const pixels = Uint8Array.from({ length: 256 }, (_, level) => level)
  for (const range of ranges) {
    const out = new Float32Array(256)
    dequantizeRow(pixels, streamKey(1, 'dequantization', 0), range, out)
    expect(quantizePixels(out, range)).toEqual(pixels)
  }
  expect([...quantizePixels(Float32Array.of(-7, 0, 1, 7, Number.NaN), [0, 1])]).toEqual([0, 0, 255, 255, 0])
})
