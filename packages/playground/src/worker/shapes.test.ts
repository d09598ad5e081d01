import { expect, test } from 'vitest'
import { shapePoints, shapes, spray } from './shapes.ts'

test.each(shapes)('%s lies on [0, 1] each way, and is the seed’s', (shape) => {
  const points = shapePoints(shape, 2000, 3)
  expect(points).toHaveLength(4000)
  expect(points.every((value) => value > 0 && value < 1)).toBe(true)
  expect(shapePoints(shape, 100, 3)).toEqual(points.subarray(0, 200))
  expect(shapePoints(shape, 2000, 4)).not.toEqual(points)
})

test('each shape has its middle in the middle', () => {
  for (const shape of shapes) {
    const points = shapePoints(shape, 4000, 0)
    for (const axis of [0, 1]) {
      const mean = points.reduce((sum, value, i) => (i % 2 === axis ? sum + value : sum), 0) / 4000
      // A spiral's end reaches further one way.
      expect(Math.abs(mean - 0.5), shape).toBeLessThan(0.09)
    }
  }
})

test('a spray is about its place, and another at each draw', () => {
  const first = spray([0.75, 0.25], 200, 0)
  const mean = [0, 1].map((axis) => first.filter((_, i) => i % 2 === axis).reduce((sum, value) => sum + value, 0) / 200)
  // The standard error of 200 draws is 0.0012.
  expect(Math.hypot(mean[0]! - 0.75, mean[1]! - 0.25)).toBeLessThan(0.007)
  expect(spray([0.75, 0.25], 200, 1)).not.toEqual(first)
})
