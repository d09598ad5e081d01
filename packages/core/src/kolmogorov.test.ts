import fc from 'fast-check'
import { expect, it } from 'vitest'
import { distributions } from './distribution.ts'
import { kolmogorovCritical, kolmogorovDistance, kolmogorovMean } from './kolmogorov.ts'
import { quantiles } from './quantile.ts'
import { streamKey, uniform } from './random.ts'

/** Sums and quotients of numbers of (0, 1). */
const rounding = 1e-15

it('is the supremum that brute force finds, on both sides of every step', () => {
  const unit = (value: number): number => Math.max(0, Math.min(1, value))
  const draws = fc.array(fc.double({ min: -0.2, max: 1.2, noNaN: true }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(draws, (values) => {
      const below = (x: number): number => values.filter((value) => value < x).length / values.length
      const upTo = (x: number): number => values.filter((value) => value <= x).length / values.length
      const gaps = values.flatMap((x) => [Math.abs(below(x) - unit(x)), Math.abs(upTo(x) - unit(x))])
      const distance = kolmogorovDistance(Float64Array.from(values).sort(), unit)
      expect(Math.abs(distance - Math.max(...gaps))).toBeLessThan(rounding)
    }),
  )
})

it('of quantiles in the middle of n equal steps is half a step', () => {
  const n = 50
  const sorted = Float64Array.from({ length: n }, (_, i) => quantiles.logistic((i + 0.5) / n))
  expect(Math.abs(kolmogorovDistance(sorted, distributions.logistic) - 0.5 / n)).toBeLessThan(rounding)
})

it('has the critical values of the tables', () => {
  // Miller 1956, "Table of percentage points of Kolmogorov statistics": two-sided, 1 %, to three digits. In the limit, 1.6276 / sqrt(n).
  const tabled = { 10: 0.489, 20: 0.352, 50: 0.226 }
  for (const [n, critical] of Object.entries(tabled)) expect(Math.abs(kolmogorovCritical(Number(n)) / critical - 1)).toBeLessThan(0.01)
  expect(kolmogorovCritical(1e8) * 1e4).toBeCloseTo(1.6276, 4)
})

it('of the distribution’s own draws has the mean and exceeds the critical value as often as they say', () => {
  const [samples, n] = [4000, 100]
  const distances = Array.from({ length: samples }, (_, i) => kolmogorovDistance(uniform(streamKey(0, 'probe', i), n).sort(), (u) => u))
  const mean = distances.reduce((sum, distance) => sum + distance, 0) / samples
  /** Five standard errors: K has the deviation 0.2603. And 1 % for the form of Stephens. */
  expect(Math.abs(mean / kolmogorovMean(n) - 1)).toBeLessThan((5 * 0.2603) / 0.8687 / Math.sqrt(samples) + 0.01)
  const beyond = distances.filter((distance) => distance > kolmogorovCritical(n)).length / samples
  expect(Math.abs(beyond - 0.01)).toBeLessThan(5 * Math.sqrt(0.01 / samples))
})
