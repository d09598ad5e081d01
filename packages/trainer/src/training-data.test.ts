import { tensor } from '@niceflow/core'
import { expect, test } from 'vitest'
import { toyImages, toyRows } from './tiny.fixture.ts'
import { train } from './train.ts'
import { asTrainingData, dataFacts } from './training-data.ts'

test("a caller's array is known by the hash of its values", () => {
  const [one, same, other] = [toyRows(10, 4), toyRows(10, 4), toyRows(10, 4, 2)].map((rows) => asTrainingData(rows).sha256)
  expect(one).toBe(same)
  expect(one).not.toBe(other)
  expect(one).toMatch(/^[0-9a-f]{64}$/)
})

test('what is remembered of data is everything but the data', () => {
  const { examples, ...facts } = toyImages(10)
  expect(dataFacts({ examples, ...facts })).toEqual({ ...facts, count: 10, pixels: true })
})

const nan = tensor('float32', [3, 2], Float32Array.of(0, 1, 2, 3, Number.NaN, 5))

test.each([
  [
    toyRows(10, 1),
    'data "array": expected at least 2 dimensions, got 1',
    'give examples of two numbers or more: a coupling layer needs two halves',
  ],
  [tensor('float32', [12]), 'data "array": expected examples of shape [count, dim], got [12]', undefined],
  [tensor('uint8', [2, 2, 2]), 'data "array": expected examples of shape [count, dim], got [2, 2, 2]', undefined],
  [toyRows(1, 4), 'data "array": expected at least 2 examples, got 1', undefined],
  [nan, 'data "array", row 2, column 0: expected a finite number, got NaN', 'remove the row or fill in the value'],
])('training refuses data of shape %#', async (data, message, remedy) => {
  await expect(train({ data })).rejects.toMatchObject({ name: 'InvalidValueError', message, remedy })
})
