import { logDensities, type ModelFacts } from '@niceflow/core'
import { logScaleOf } from './check.ts'
import type { Encoding } from './flow.ts'

/** Log-likelihoods as sums over latents, nats. */
export type LikelihoodShares = {
  /** log p(z_d) + s_d, [n, dim] flat: what latent d adds. */
  readonly shares: Float64Array
  /**
   * What no latent adds, [n]: the log-determinants of preprocessing and of couplings that scale. Additive couplings have none, so without
   * preprocessing it is rounding, and the shares are the whole.
   */
  readonly rest: Float64Array
}

/**
 * What each latent adds to the log-likelihood of its example. With additive couplings latent d is pixel d, shifted by what the others say of it and
 * scaled: then its share is what the model pays for that pixel.
 * @throws NiceflowError for a model that does not say its s
 * @see Dinh et al. 2014, equation 2 and section 3.3: log p(x) = sum_d (log p(z_d) + s_d), z = exp(s) h
 */
export function likelihoodShares({ z, logLikelihood }: Encoding, model: ModelFacts): LikelihoodShares {
  const { dim, prior } = model
  const [logDensity, logScale] = [logDensities[prior], logScaleOf(model)]
  const shares = Float64Array.from(z.data, (value, i) => logDensity(value) + logScale[i % dim]!)
  const sums = new Float64Array(logLikelihood.length)
  for (const [i, share] of shares.entries()) sums[Math.floor(i / dim)]! += share
  return { shares, rest: Float64Array.from(logLikelihood, (nats, row) => nats - sums[row]!) }
}
