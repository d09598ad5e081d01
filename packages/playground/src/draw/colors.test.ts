import { expect, test } from 'vitest'
import { paint, parseColor, ramp } from './colors.ts'

test.each([
  ['#0067a5', [0, 103, 165]],
  [' #fff', [255, 255, 255]],
  ['#1a2', [17, 170, 34]],
])('%s is read', (hex, expected) => {
  expect(parseColor(hex)).toEqual(expected)
})

test('a ramp goes from colour to colour, and no further', () => {
  const colors = ramp([0, 100, 255], [255, 100, 0])
  expect([0, 0.5, 1].map(colors)).toEqual([
    [0, 100, 255],
    [128, 100, 128],
    [255, 100, 0],
  ])
  expect([-1, Number.NaN, 7].map(colors)).toEqual([0, 0, 1].map(colors))
})

test('numbers are painted as opaque pixels', () => {
  const pixels = new Uint8ClampedArray(8)
  paint([0, 1], ramp([1, 2, 3], [4, 5, 6]), pixels)
  expect([...pixels]).toEqual([1, 2, 3, 255, 4, 5, 6, 255])
})
