import type { ModelFacts } from './manifest.ts'
import { normalTailQuantile } from './quantile.ts'

/** Distribution functions: the inverses of the priors' quantile functions; densities; and the way from either prior to a standard normal and back. */

/** The standard logistic distribution function 1 / (1 + exp(-z)). */
export function logisticDistribution(z: number): number {
  return 1 / (1 + Math.exp(-z))
}

/** From here on the continued fraction is the nearer of the two; with so many terms its error is that of rounding. */
const far = 3
const fractionTerms = 60

/**
 * ln P(Z > x) of a standard normal Z, for x from 0, however far: relative error some 1e-13 in the probability. Up to 3 the power series of
 * (Phi(x) - 1/2) / phi(x), whose terms are all positive (Marsaglia 2004, "Evaluating the normal distribution", section 1), from there Laplace's
 * continued fraction phi(x) / (x + 1 / (x + 2 / (x + ...))) (Abramowitz and Stegun 1964, 26.2.14).
 */
export function logNormalTail(x: number): number {
  const logDensity = -(x * x + Math.log(2 * Math.PI)) / 2
  if (x < far) {
    let sum = x
    for (let term = x, k = 3; term > sum * 2 ** -54; k += 2) {
      term *= (x * x) / k
      sum += term
    }
    return Math.log(0.5 - Math.exp(logDensity) * sum)
  }
  let fraction = x
  for (let k = fractionTerms; k > 0; k--) fraction = x + k / fraction
  return logDensity - Math.log(fraction)
}

/** The standard normal distribution function. */
export function normalDistribution(z: number): number {
  const tail = Math.exp(logNormalTail(Math.abs(z)))
  return z < 0 ? tail : 1 - tail
}

/** The priors by name, as their distribution functions. */
export const distributions: Readonly<Record<ModelFacts['prior'], (z: number) => number>> = {
  logistic: logisticDistribution,
  gaussian: normalDistribution,
}

/** The priors by name, as the logs of their densities, nats: -|z| - 2 ln(1 + exp(-|z|)), which does not overflow, and -(z^2 + ln 2 pi) / 2. */
export const logDensities: Readonly<Record<ModelFacts['prior'], (z: number) => number>> = {
  logistic: (z) => -Math.abs(z) - 2 * Math.log1p(Math.exp(-Math.abs(z))),
  gaussian: (z) => -(z * z + Math.log(2 * Math.PI)) / 2,
}

/** A latent value as the standard normal value of the same probability, and back. Both ways are odd and increasing. */
export type NormalScore = { readonly scoreOf: (z: number) => number; readonly latentOf: (score: number) => number }

/** Each prior's. Both go by logarithms of the tail, so that values which the prior gives no probability that a number could hold come back too. */
export const normalScores: Readonly<Record<ModelFacts['prior'], NormalScore>> = {
  logistic: {
    scoreOf: odd((z) => normalTailQuantile(-z - Math.log1p(Math.exp(-z)))),
    latentOf: odd((score) => {
      const logTail = logNormalTail(score)
      return Math.log1p(-Math.exp(logTail)) - logTail
    }),
  },
  gaussian: { scoreOf: (z) => z, latentOf: (score) => score },
}

function odd(half: (x: number) => number): (x: number) => number {
  return (x) => (x < 0 ? -half(-x) : half(x))
}
