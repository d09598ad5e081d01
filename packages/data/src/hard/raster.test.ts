import { expect, test } from 'vitest'
import { fill, type Point } from './raster.ts'

const square = (left: number, top: number, side: number): Point[] => [
  [left, top],
  [left + side, top],
  [left + side, top + side],
  [left, top + side],
]

test('a square on the grid covers its pixels and no others', () => {
  expect([...fill([square(1, 1, 2)], [4, 4])]).toEqual([0, 0, 0, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 0, 0, 0])
})

test('a pixel is as grey as the share of it that is inside', () => {
  expect([...fill([square(0.5, 0, 1)], [1, 2])]).toEqual([128, 128])
  // Half of each pixel's height, between two of its four lines.
  expect([...fill([square(0, 0.5, 1)], [2, 1])]).toEqual([128, 128])
  expect([
    ...fill(
      [
        [
          [0, 0],
          [1, 0],
          [0, 1],
        ],
      ],
      [1, 1],
    ),
  ]).toEqual([Math.round(255 / 2)])
})

test('a hole turns the other way; what overlaps is filled once', () => {
  const hole = square(1, 1, 1).reverse()
  expect([...fill([square(0, 0, 3), hole], [3, 3])]).toEqual([255, 255, 255, 255, 0, 255, 255, 255, 255])
  expect([...fill([square(0, 0, 2), square(1, 0, 2)], [2, 3])]).toEqual(new Array(6).fill(255))
})

test('what lies outside the image is left out', () => {
  expect([...fill([square(-1, -1, 2)], [2, 2])]).toEqual([255, 0, 0, 0])
})
