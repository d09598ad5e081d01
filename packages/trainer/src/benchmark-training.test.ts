import { expect, test } from 'vitest'
import { mostInHalves } from './benchmark-training.ts'

test.each([
  [
    [5, 7],
    [5, 7],
  ],
  [
    [1, 9, 2, 3, 8],
    [9, 8],
  ],
])('memory that grows shows between two halves, even of two runs: %j', (values, most) => {
  expect(mostInHalves(values)).toEqual(most)
})
