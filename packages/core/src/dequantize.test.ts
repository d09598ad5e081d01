import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type DataRange,
  type Dequantization,
  dequantizations,
  dequantizeRow,
  type Key,
  noiseKey,
  quantizePixels,
  sharedFormula,
  streamKey,
  uniform,
} from './index.ts'

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

/** As the masked form's script computes it, in the float32 of its tensors: `clamp(x / 255 + rand / 256, 0, 1)`. */
function masked(pixel: number, u: number): number {
  const { fround } = Math
  return Math.min(1, Math.max(0, fround(fround(pixel / 255) + fround(u / 256))))
}

/** A float32 below 2, computed in float64 and rounded, or rounded at each step. */
const float32Steps = 2 ** -23

test('shared noise is added to pixels of 255ths, and clamped, as the masked form has it', () => {
  const pixels = Uint8Array.from({ length: 256 }, (_, level) => level)
  const key = noiseKey('shared', 3, { index: 7, draw: 2 })
  const [out, u] = [new Float32Array(256), uniform(key, 256)]
  dequantizeRow(pixels, key, [0, 1], out, 0, 'shared')
  const differences = out.map((value, d) => Math.abs(value - masked(pixels[d]!, u[d]!)))
  expect(Math.max(...differences)).toBeLessThanOrEqual(float32Steps)
  expect(out[255]).toBe(1)
  dequantizeRow(pixels, key, [-1, 1], u, 0, 'shared')
  expect(Math.max(...u.map((value, d) => Math.abs(value - (2 * out[d]! - 1))))).toBeLessThanOrEqual(2 * float32Steps)
})

test('shared noise is a function of seed, draw and batch, independent noise of the example too', () => {
  const key = (how: Dequantization, index: number, batch: number): Key => noiseKey(how, 5, { index, draw: 1, batch })
  expect(key('shared', 3, 0)).toEqual(key('shared', 8, 0))
  expect(key('shared', 3, 0)).not.toEqual(key('shared', 3, 1))
  expect(key('independent', 3, 0)).toEqual(streamKey(5, 'dequantization', 3, 1))
  expect(key('independent', 3, 0)).toEqual(key('independent', 3, 1))
})

test('shared dequantisation as a formula', () => {
  const noise = 'u uniform on (0, 1), one for all examples of a batch'
  expect(sharedFormula([0, 1])).toBe(`x = min(1, pixel / 255 + u / 256), ${noise}`)
  expect(sharedFormula([-1, 1])).toBe(`x = min(1, -1 + (pixel / 255 + u / 256) * 2), ${noise}`)
})

test('pixels are found again from the values that they were spread to; what lies outside is clamped', () => {
  const pixels = Uint8Array.from({ length: 256 }, (_, level) => level)
  for (const range of ranges) {
    for (const how of dequantizations) {
      const out = new Float32Array(256)
      dequantizeRow(pixels, streamKey(1, 'dequantization', 0), range, out, 0, how)
      expect(quantizePixels(out, range, how)).toEqual(pixels)
    }
  }
  expect([...quantizePixels(Float32Array.of(-7, 0, 1, 7, Number.NaN), [0, 1])]).toEqual([0, 0, 255, 255, 0])
})
