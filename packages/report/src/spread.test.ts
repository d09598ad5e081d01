import fc from 'fast-check'
import { expect, test } from 'vitest'
import { spread } from './spread.ts'

/** Sums of a few dozen positions of some hundred pixels in float64. */
const rounding = 1e-9

test('labels that are apart stay, labels that meet share the way', () => {
  expect(spread([10, 50, 90], 20, [0, 100])).toEqual([10, 50, 90])
  expect(spread([50, 50], 20, [0, 100])).toEqual([40, 60])
  expect(spread([10, 40, 50, 90], 20, [0, 100])).toEqual([10, 35, 55, 90])
  expect(spread([], 20, [0, 100])).toEqual([])
})

test('labels keep their order and distance, and stay inside where they fit', () => {
  const positions = fc.array(fc.double({ min: -50, max: 450, noNaN: true }), { maxLength: 20 }).map((list) => list.sort((a, b) => a - b))
  fc.assert(
    fc.property(positions, (wanted) => {
      const placed = spread(wanted, 17, [0, 400])
      for (let i = 0; i < placed.length; i++) {
        if (i > 0) expect(placed[i]! - placed[i - 1]!).toBeGreaterThanOrEqual(17 - rounding)
        expect(placed[i]!).toBeGreaterThanOrEqual(-rounding)
        expect(placed[i]!).toBeLessThanOrEqual(400 + rounding)
      }
    }),
    { seed: 1 },
  )
})

test('no other placing of three labels on a fine lattice is nearer in least squares', () => {
  const distance = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0)
  const lattice = Array.from({ length: 31 }, (_, i) => i)
  const position = fc.integer({ min: -5, max: 35 })
  fc.assert(
    fc.property(fc.tuple(position, position, position), (unsorted) => {
      const wanted = [...unsorted].sort((a, b) => a - b)
      const ours = distance(spread(wanted, 6, [0, 30]), wanted)
      for (const a of lattice) {
        for (const b of lattice.filter((b) => b >= a + 6)) {
          for (const c of lattice.filter((c) => c >= b + 6)) expect(ours).toBeLessThanOrEqual(distance([a, b, c], wanted) + rounding)
        }
      }
    }),
    { seed: 1, numRuns: 20 },
  )
})
