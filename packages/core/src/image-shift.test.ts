import { expect, it } from 'vitest'
import { dequantize } from './batches.ts'
import { drawMove, moveImage } from './image-shift.ts'
import { streamKey } from './random.ts'
import { tensor } from './tensor.ts'

const shape = [2, 3] as const
const image = Uint8Array.of(1, 2, 3, 4, 5, 6)

it.each<[string, readonly [number, number], number[]]>([
  ['stays', [0, 0], [1, 2, 3, 4, 5, 6]],
  ['down', [1, 0], [9, 9, 9, 1, 2, 3]],
  ['up', [-1, 0], [4, 5, 6, 9, 9, 9]],
  ['right', [0, 1], [9, 1, 2, 9, 4, 5]],
  ['left', [0, -1], [2, 3, 9, 5, 6, 9]],
  ['up and two to the right', [-1, 2], [9, 9, 4, 9, 9, 9]],
  ['out of sight', [2, 0], [9, 9, 9, 9, 9, 9]],
])('moves an image: %s', (_, move, moved) => {
  expect([...moveImage(image, shape, move, 9)]).toEqual(moved)
  expect([...moveImage(Float32Array.from(image), shape, move, 9)]).toEqual(moved)
})

it('moves the channels of a pixel together', () => {
  const colours = Uint8Array.from({ length: 12 }, (_, at) => at)
  expect([...moveImage(colours, [2, 2, 3], [1, 1], 99)]).toEqual([...new Array(9).fill(99), 0, 1, 2])
  expect([...moveImage(colours, [2, 2, 3], [0, -1], 99)]).toEqual([3, 4, 5, 99, 99, 99, 9, 10, 11, 99, 99, 99])
})

it('draws each of the (2 n + 1)^2 moves as often as any other', () => {
  const count = 9000
  const seen = new Map<string, number>()
  for (let i = 0; i < count; i++) {
    const move = drawMove(streamKey(1, 'augmentation', i), 1).join()
    seen.set(move, (seen.get(move) ?? 0) + 1)
  }
  expect(seen.size).toBe(9)
  // Five standard deviations of a count of 1,000 draws.
  for (const times of seen.values()) expect(Math.abs(times - count / 9)).toBeLessThan(5 * Math.sqrt(count / 9))
})

it('moves pixels before they are dequantised, black where nothing was, and afresh in each draw', () => {
  const examples = tensor('uint8', [40, 6], new Uint8Array(240).fill(255))
  const indices = Uint32Array.from({ length: 40 }, (_, i) => i)
  const draw = (draw: number): Float32Array =>
    dequantize(examples, indices, { seed: 3, draw, range: [0, 1], imageShift: { pixels: 1, shape } })
  const dark = [...draw(0)].filter((x) => x < 1 / 256).length
  // Eight of nine moves lose pixels at an edge; no move loses all.
  expect(dark).toBeGreaterThan(0)
  expect(dark).toBeLessThan(240)
  expect([...draw(0)].every((x) => x < 1 / 256 || x >= 255 / 256)).toBe(true)
  expect([...draw(1)].map((x) => x < 0.5)).not.toEqual([...draw(0)].map((x) => x < 0.5))
  expect(draw(0)).toEqual(draw(0))
})

it('moves floats too, the low end of their range where nothing was', () => {
  const examples = tensor('float32', [60, 6], new Float32Array(360).fill(0.5))
  const indices = Uint32Array.from({ length: 60 }, (_, i) => i)
  const values = new Set(dequantize(examples, indices, { seed: 3, draw: 0, range: [-1, 1], imageShift: { pixels: 1, shape } }))
  expect(values).toEqual(new Set([0.5, -1]))
})
