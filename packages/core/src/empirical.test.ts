import fc from 'fast-check'
import { expect, test } from 'vitest'
import { logDensityOf, meanOf, type Quantiles, quantilesOf, shareBelow, shareFrom } from './empirical.ts'
import { normalQuantile } from './quantile.ts'
import { streamKey, uniform } from './random.ts'

const values = fc.array(fc.double({ min: -5000, max: 5000, noNaN: true }), { minLength: 1, maxLength: 200 })
/** Sums of some dozens of products of numbers below 10,000. */
const rounding = 1e-9

test('quantiles hold the extremes and the median, and rise', () => {
  expect(quantilesOf([3, 1, 2])).toEqual(
    expect.arrayContaining([
      [0, 1],
      [0.25, 1.5],
      [0.5, 2],
      [1, 3],
    ]),
  )
  fc.assert(
    fc.property(values, (seen) => {
      const quantiles = quantilesOf(seen)
      for (let i = 1; i < quantiles.length; i++) {
        expect(quantiles[i]![0]).toBeGreaterThan(quantiles[i - 1]![0])
        expect(quantiles[i]![1]).toBeGreaterThanOrEqual(quantiles[i - 1]![1])
      }
    }),
  )
})

test('the share below undoes a quantile, is 0 below all and 1 from the highest on, and never falls', () => {
  const quantiles: Quantiles = [0, 0.5, 0.9, 1].map((p) => [p, 10 * p * p] as const)
  for (const [p, value] of quantiles) expect(shareBelow(quantiles, value)).toBeCloseTo(p, 12)
  expect(shareBelow(quantiles, 1.25)).toBeCloseTo(0.25, 12)
  expect([-1, 11].map((value) => shareBelow(quantiles, value))).toEqual([0, 1])
  const any = fc.double({ min: -6000, max: 6000, noNaN: true })
  fc.assert(
    fc.property(values, any, fc.double({ min: 0, max: 1000, noNaN: true }), (seen, value, more) => {
      const made = quantilesOf(seen)
      const [share, higher] = [shareBelow(made, value), shareBelow(made, value + more)]
      expect(share).toBeGreaterThanOrEqual(0)
      expect(higher).toBeGreaterThanOrEqual(share)
      expect(higher).toBeLessThanOrEqual(1)
    }),
  )
})

test('what is equal to a value is both up to it and from it on', () => {
  const tied = quantilesOf([1, 2, 2, 2, 3])
  expect([1, 2, 3].map((value) => [shareBelow(tied, value), shareFrom(tied, value)])).toEqual([
    [0, 1],
    [0.75, 0.75],
    [1, 0],
  ])
  expect([shareBelow(quantilesOf([4, 4, 4]), 4), shareFrom(quantilesOf([4, 4, 4]), 4)]).toEqual([1, 1])
  fc.assert(
    fc.property(values, fc.nat(), (seen, i) => {
      const [quantiles, value] = [quantilesOf(seen), seen[i % seen.length]!]
      expect(shareBelow(quantiles, value) + shareFrom(quantiles, value)).toBeGreaterThanOrEqual(1 - rounding)
    }),
  )
})

test('the mean is that of numbers drawn through the quantiles', () => {
  fc.assert(
    fc.property(values, (seen) => {
      const quantiles = quantilesOf(seen)
      // The midpoint rule is exact within each bin, whose ends are multiples of a thousandth.
      const steps = 1000
      let sum = 0
      for (let i = 0; i < steps; i++) {
        const p = (i + 0.5) / steps
        const above = quantiles.findIndex(([q]) => q > p)
        const [[low, from], [high, to]] = [quantiles[above - 1]!, quantiles[above]!]
        sum += from + ((p - low) / (high - low)) * (to - from)
      }
      expect(Math.abs(meanOf(quantiles) - sum / steps)).toBeLessThan(rounding)
    }),
  )
})

test("a density of many normal draws is the normal's, where there are many of them", () => {
  const logDensity = logDensityOf(quantilesOf(Array.from(uniform(streamKey(0, 'probe', 0), 200_000), normalQuantile)))
  /** Bins of a twentieth of the draws, joined by lines; the draws' own error is below a hundredth. */
  const tolerance = 0.06
  for (let x = -2; x <= 2; x += 0.25) {
    expect(Math.abs(logDensity(x) + (x * x) / 2 + Math.log(2 * Math.PI) / 2), String(x)).toBeLessThan(tolerance)
  }
})

test('a density falls without end beyond what was seen, ties or not', () => {
  for (const seen of [[1, 2, 3], [5, 5, 5], [0, 0, 0, 0, 1], [7]]) {
    const logDensity = logDensityOf(quantilesOf(seen))
    const [least, most] = [Math.min(...seen), Math.max(...seen)]
    for (const distance of [1, 10, 100]) {
      expect(logDensity(least - 10 * distance)).toBeLessThan(logDensity(least - distance))
      expect(logDensity(most + 10 * distance)).toBeLessThan(logDensity(most + distance))
      expect(Number.isFinite(logDensity(least))).toBe(true)
    }
  }
})

test('NaN and infinities are no values, and NaN has no share below it', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(() => quantilesOf([1, value])).toThrow(`value of a distribution: expected a finite number, got ${value}`)
  }
  expect(() => quantilesOf([])).toThrow('values of a distribution: expected at least one, got 0')
  expect(() => shareBelow(quantilesOf([1, 2]), Number.NaN)).toThrow('value to compare: expected a number, got NaN')
})
