import { type ModelFacts, NiceflowError } from '@niceflow/core'

/**
 * How far each latent reaches in the data, [dim]: exp(-s), the scale that the prior has before the scaling layer. The larger, the more important
 * the dimension.
 * @throws NiceflowError for a model that does not say its s
 * @see Dinh et al. 2014, section 3.3
 */
export function latentScales({ logScale }: Pick<ModelFacts, 'logScale'>): Float64Array {
  if (!logScale) {
    throw new NiceflowError("the model's facts: expected logScale, got none", {
      remedy: 'export the bundle again, with this version of niceflow',
    })
  }
  return Float64Array.from(logScale, (s) => Math.exp(-s))
}

/** Dimensions in the order of their importance, the most important first; equals by their index. */
export function byImportance(importance: ArrayLike<number>): number[] {
  return Array.from({ length: importance.length }, (_, d) => d).sort((a, b) => importance[b]! - importance[a]! || a - b)
}
