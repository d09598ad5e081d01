import { expect, test } from 'vitest'
import { rasterize, type Stroke, side } from './strokes.ts'

const seven: Stroke[] = [
  [
    [0.2, 0.2],
    [0.8, 0.2],
    [0.4, 0.9],
  ],
]

function measure(pixels: Uint8Array): { box: number[]; centre: number[]; mean: number } {
  const lit = [...pixels].flatMap((value, i) => (value > 127 ? [[i % side, Math.floor(i / side)] as const] : []))
  const range = (axis: 0 | 1): number => Math.max(...lit.map((at) => at[axis])) - Math.min(...lit.map((at) => at[axis])) + 1
  const sum = pixels.reduce((total, value) => total + value, 0)
  const centre = (axis: 0 | 1): number =>
    pixels.reduce((total, value, i) => total + value * ((axis === 0 ? i % side : Math.floor(i / side)) + 0.5), 0) / sum
  return { box: [range(0), range(1)], centre: [centre(0), centre(1)], mean: sum / pixels.length }
}

test('a drawing fits the box of 20 pixels by its longer side, its centre of mass in the middle', () => {
  const { box, centre } = measure(rasterize(seven))
  expect(Math.abs(box[1]! - 20)).toBeLessThanOrEqual(1)
  expect(box[0]).toBeLessThan(box[1]!)
  // Ink gathers where lines meet, which a centre of lines does not count.
  for (const at of centre) expect(Math.abs(at - side / 2)).toBeLessThan(0.6)
})

test('where and how large it was drawn changes nothing', () => {
  const moved = seven.map((stroke) => stroke.map(([x, y]) => [0.5 + 0.25 * x, 0.1 + 0.25 * y] as const))
  const [a, b] = [rasterize(seven), rasterize(moved)]
  // Numbers a little apart in their last place may round to the next level.
  for (const [i, value] of a.entries()) expect(Math.abs(value - b[i]!)).toBeLessThanOrEqual(2)
})

test('its ink is that of a digit of MNIST, whose mean pixel is 33', () => {
  const { mean } = measure(rasterize(seven))
  expect(mean).toBeGreaterThan(15)
  expect(mean).toBeLessThan(50)
})

test('nothing drawn is black, and a tap is a dot in the middle', () => {
  expect(rasterize([]).every((value) => value === 0)).toBe(true)
  const { centre, box } = measure(rasterize([[[0.9, 0.1]]]))
  expect(box).toEqual([2, 2])
  expect(centre.every((at) => Math.abs(at - side / 2) < 1e-9)).toBe(true)
})
