import { describe, expect, it } from 'vitest'
import { distributions, logDensities, logNormalTail, normalDistribution, normalScores } from './distribution.ts'
import { quantiles } from './quantile.ts'

/** Of a probability: a few units in the last place. */
const rounding = 1e-15
/** Relative, of a tail's probability: where the power series ends it is what 1/2 leaves of a number 400 times as large. */
const tailRounding = 5e-13

describe.each(Object.entries(distributions))('%s distribution', (name, distribution) => {
  it('inverts the quantile function', () => {
    const quantile = quantiles[name as keyof typeof quantiles]
    for (let i = 1; i < 1000; i++) expect(Math.abs(distribution(quantile(i / 1000)) - i / 1000)).toBeLessThan(rounding)
  })

  it('has its ends at 0 and 1', () => {
    expect([-1000, 0, 1000].map(distribution)).toEqual([0, 0.5, 1])
  })
})

/** Of a central difference over 2e-4: its own error, a sixth of the third derivative times 1e-8, and rounding's. */
const differenceTolerance = 1e-8

describe.each(Object.entries(logDensities))('%s log-density', (name, logDensity) => {
  it('is the log of the derivative of the distribution function', () => {
    const distribution = distributions[name as keyof typeof distributions]
    for (let z = -5; z <= 5; z += 0.25) {
      const slope = (distribution(z + 1e-4) - distribution(z - 1e-4)) / 2e-4
      expect(Math.abs(Math.exp(logDensity(z)) - slope)).toBeLessThan(differenceTolerance)
    }
  })

  it('is a number however far out', () => {
    expect([-800, 800].map(logDensity).every(Number.isFinite)).toBe(true)
  })
})

describe('logNormalTail', () => {
  // mpmath 1.3.0, 50 digits: log(erfc(mpf(x) / sqrt(2)) / 2)
  it.each([
    [0, -Math.LN2],
    [0.5, -1.1759117615936185],
    [1, -1.8410216450092636],
    [2, -3.783184333682032],
    [2.999, -6.6044435875705805],
    [3, -6.607726221510349],
    [3.5, -8.366065308344092],
    [5, -15.064998393988725],
    [10, -53.23128515051247],
    [40, -804.6084420137538],
    [60, -1805.013560680567],
  ])('of %s is %s', (x, expected) => {
    expect(Math.abs(logNormalTail(x) - expected)).toBeLessThan(tailRounding)
  })

  it('falls all the way, over the place where one formula takes over from the other', () => {
    for (let x = 0; x < 40; x += 0.001) expect(logNormalTail(x + 0.001)).toBeLessThan(logNormalTail(x))
  })
})

describe('normalScores', () => {
  const { scoreOf, latentOf } = normalScores.logistic

  // mpmath 1.3.0, 50 digits: findroot(lambda g: log(erfc(g / sqrt(2)) / 2) + z + log(1 + exp(-z)), …)
  it.each([
    [0.001, 0.0006266570574509376],
    [0.1, 0.0626545061058038],
    [1, 0.6160176926724505],
    [2.4, 1.3840426589485069],
    [2.6, 1.4822385191748617],
    [5, 2.4733392227978293],
    [20, 5.879209356826551],
    [37, 8.24108148047489],
    [700, 37.295079632647415],
  ])('of the logistic value %s is %s', (z, expected) => {
    expect(Math.abs(scoreOf(z) - expected)).toBeLessThan(1e-14 * Math.max(1, expected))
    expect(scoreOf(-z)).toBe(-scoreOf(z))
  })

  it('have the probability of the value that they are of', () => {
    for (let z = -30; z < 30; z += 0.1) {
      expect(Math.abs(normalDistribution(scoreOf(z)) - distributions.logistic(z))).toBeLessThan(rounding)
    }
  })

  it('lead back to the value, as float32 tells values apart, even where its probability is none that a number holds', () => {
    for (let z = 1e-3; z < 5000; z *= 1.1) expect(Math.abs(latentOf(scoreOf(z)) / z - 1)).toBeLessThan(2 ** -24)
  })

  it('of a Gaussian prior are its own values', () => {
    expect([normalScores.gaussian.scoreOf(1.5), normalScores.gaussian.latentOf(-40)]).toEqual([1.5, -40])
  })
})
