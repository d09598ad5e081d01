import fc from 'fast-check'
import { expect, test } from 'vitest'
import { imageGrid } from './grid.ts'

const gap = 96

test('images stand in rows, with even lines between and around them; cells left over are lines too', () => {
  const images = Uint8Array.of(1, 2, 3, 4, 5, 6)
  const grid = imageGrid(images, { shape: [1, 2], columns: 2, gap: 1, scale: 1 })
  expect([grid.width, grid.height, grid.channels]).toEqual([7, 5, 1])
  // biome-ignore format: one line a row of pixels
  expect([...grid.data]).toEqual([
    gap, gap, gap, gap, gap, gap, gap,
    gap, 1, 2, gap, 3, 4, gap,
    gap, gap, gap, gap, gap, gap, gap,
    gap, 5, 6, gap, gap, gap, gap,
    gap, gap, gap, gap, gap, gap, gap,
  ])
})

test('a pixel becomes a square of the side of the scale', () => {
  const grid = imageGrid(Uint8Array.of(10, 20), { shape: [1, 2], gap: 0, scale: 2 })
  expect([...grid.data]).toEqual([10, 10, 20, 20, 10, 10, 20, 20])
})

test('colour images stay in colour, among lines of grey', () => {
  const grid = imageGrid(Uint8Array.of(1, 2, 3, 4, 5, 6), { shape: [1, 2, 3], gap: 1, scale: 1 })
  expect([grid.width, grid.height, grid.channels]).toEqual([4, 3, 3])
  expect([...grid.data.subarray(12, 24)]).toEqual([gap, gap, gap, 1, 2, 3, 4, 5, 6, gap, gap, gap])
  expect(() => imageGrid(new Uint8Array(4), { shape: [1, 1, 3] })).toThrow('expected a positive multiple of 1 x 1 x 3, got 4')
})

test('floats are cut into 256 cells of the range; those outside are clamped and NaN is black', () => {
  const of = (values: number[], range?: readonly [number, number]): number[] => [
    ...imageGrid(Float32Array.from(values), { shape: [1, values.length], gap: 0, scale: 1, ...(range && { range }) }).data,
  ]
  expect(of([-5, 0, 0.5 / 256, 1 / 256, 0.5, 255.9 / 256, 1, 7, Number.NaN, -Infinity, Infinity])).toEqual([
    0, 0, 0, 1, 128, 255, 255, 255, 0, 0, 255,
  ])
  expect(of([-1, 0, 1], [-1, 1])).toEqual([0, 128, 255])
})

test('a dequantised pixel is drawn as the pixel it was', () => {
  const pixels = fc.uint8Array({ minLength: 1, maxLength: 64 })
  fc.assert(
    fc.property(pixels, fc.double({ min: 0, max: 0.99, noNaN: true }), (bytes, u) => {
      const options = { shape: [1, bytes.length], gap: 0, scale: 1 } as const
      const floats = Float32Array.from(bytes, (pixel) => (pixel + u) / 256)
      expect(imageGrid(floats, options).data).toEqual(bytes)
    }),
    { seed: 1 },
  )
})

test('left to itself a grid is as near to a square as whole images allow', () => {
  const size = (count: number, shape: readonly [number, number]): number[] => {
    const { width, height } = imageGrid(new Uint8Array(count * shape[0] * shape[1]), { shape, gap: 0, scale: 1 })
    return [width / shape[1], height / shape[0]]
  }
  expect(size(64, [28, 28])).toEqual([8, 8])
  expect(size(10, [28, 28])).toEqual([4, 3])
  expect(size(1, [28, 28])).toEqual([1, 1])
  expect(size(2, [28, 28])).toEqual([2, 1])
  expect(size(8, [4, 2])).toEqual([4, 2])
  expect(size(3, [90, 1])).toEqual([3, 1])
})

test.each([
  [new Uint8Array(5), { shape: [2, 2] }, 'pixels of a grid: expected a positive multiple of 2 x 2, got 5'],
  [new Uint8Array(0), { shape: [2, 2] }, 'pixels of a grid: expected a positive multiple of 2 x 2, got 0'],
  [new Uint8Array(4), { shape: [0, 2] }, 'rows of an image: expected a whole number of 1 or more, got 0'],
  [new Uint8Array(4), { shape: [2, 1.5] }, 'columns of an image: expected a whole number of 1 or more, got 1.5'],
  [new Uint8Array(4), { shape: [2, 2], columns: 0 }, 'columns of a grid: expected a whole number of 1 or more, got 0'],
  [new Uint8Array(4), { shape: [2, 2], gap: -1 }, 'gap of a grid: expected a whole number of 0 or more, got -1'],
  [new Uint8Array(4), { shape: [2, 2], scale: 0.5 }, 'scale of a grid: expected a whole number of 1 or more, got 0.5'],
  [new Float32Array(4), { shape: [2, 2], range: [1, 1] }, 'range of a grid: expected low < high, got [1, 1]'],
] as const)('what cannot be a grid is refused (%#)', (images, options, message) => {
  expect(() => imageGrid(images, options)).toThrow(message)
})
