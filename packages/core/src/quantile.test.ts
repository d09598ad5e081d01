import { describe, expect, it } from 'vitest'
import { logisticQuantile, normalQuantile, quantiles } from './quantile.ts'
import { streamKey, uniform } from './random.ts'

const million = uniform(streamKey(0, 'sample', 0), 1_000_000)
/** The outermost uniform draws there are. */
const smallest = 2 ** -24
const largest = 1 - 2 ** -24

/** A few units in the last place of the largest values compared. */
const rounding = 1e-14

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length }
}

describe.each(Object.entries(quantiles))('%s quantile', (name, quantile) => {
  it('is finite on a million draws and on the outermost ones', () => {
    expect(million.every((u) => Number.isFinite(quantile(u)))).toBe(true)
    expect([quantile(smallest), quantile(largest)].every(Number.isFinite)).toBe(true)
  })

  it('is odd about 1/2 and increases', () => {
    let last = Number.NEGATIVE_INFINITY
    for (let i = 1; i < 4096; i++) {
      const value = quantile(i / 4096)
      expect(value).toBeGreaterThan(last)
      expect(value + quantile(1 - i / 4096)).toBeCloseTo(0, 13)
      last = value
    }
    expect(quantile(0.5)).toBe(0)
  })

  it('gives draws of mean 0 and of the variance of its distribution', () => {
    const { mean, variance } = moments(Array.from(million, quantile))
    const expected = name === 'logistic' ? Math.PI ** 2 / 3 : 1
    /** Kurtosis of the logistic is 4.2, of the normal 3; limits are five standard deviations of the estimates. */
    const kurtosis = name === 'logistic' ? 4.2 : 3
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(expected / million.length))
    expect(Math.abs(variance - expected)).toBeLessThan(5 * expected * Math.sqrt((kurtosis - 1) / million.length))
  })
})

describe('logisticQuantile', () => {
  it('inverts the logistic function, to rounding', () => {
    for (let i = 1; i < 1000; i++) {
      const u = i / 1000
      expect(Math.abs(1 / (1 + Math.exp(-logisticQuantile(u))) - u)).toBeLessThan(rounding)
    }
  })
})

describe('normalQuantile', () => {
  // scipy 1.17.1: scipy.stats.norm.ppf(u)
  it.each([
    [2 ** -24, -5.294704084854597],
    [1e-10, -6.361340902404056],
    [0.001, -3.090232306167813],
    [0.025, -1.9599639845400545],
    [0.1, -1.2815515655446004],
    [0.3, -0.5244005127080409],
    [0.5, 0],
    [0.6, 0.2533471031357997],
    [0.9, 1.2815515655446004],
    [0.975, 1.959963984540054],
    [0.9999, 3.719016485455709],
    [1 - 2 ** -24, 5.294704084854597],
  ])('of %s is %s', (u, expected) => {
    expect(Math.abs(normalQuantile(u) - expected)).toBeLessThanOrEqual(rounding)
  })

  it('inverts the integral of the normal density, by Simpson’s rule', () => {
    const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
    const intervals = 2000
    for (let i = 1; i < 200; i++) {
      const u = i / 200
      const step = normalQuantile(u) / intervals
      let integral = 0
      for (let k = 0; k <= intervals; k++) integral += (k === 0 || k === intervals ? 1 : k % 2 === 1 ? 4 : 2) * density(k * step)
      expect(Math.abs(0.5 + (integral * step) / 3 - u)).toBeLessThan(rounding)
    }
  })
})

it('gives each draw that there is as the float32 that two logarithms give', () => {
  // Every seventh of the 2^23 uniform draws.
  let different = 0
  for (let k = 0; k < 2 ** 23; k += 7) {
    const u = (k + 0.5) * 2 ** -23
    if (Math.fround(logisticQuantile(u)) !== Math.fround(Math.log(u) - Math.log1p(-u))) different++
  }
  expect(different).toBe(0)
})
