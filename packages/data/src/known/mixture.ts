import { fillUniform, normalQuantile, streamKey } from '@niceflow/core'
import { choleskyFactor } from './cholesky.ts'
import { type KnownDensity, logSumExp } from './density.ts'

/** One normal distribution: a point is mean + factor e, e standard normal; factor is lower triangular [dim, dim], row-major. */
export type Component = { readonly weight: number; readonly mean: Float64Array; readonly factor: Float64Array }

/** Deviation of the components' means. */
const separation = 1
/** Hidden causes of a component, and the share of each coordinate's variance that they explain. */
const causes = 3
const explained = 0.5

/**
 * Factor analysers (Ghahramani and Hinton 1996, "The EM algorithm for mixtures of factor analyzers"): normal distributions with full covariances, in
 * which a few causes move all coordinates, as in many a table. Weights are 1 to 2 before they are made to sum to one, means standard normal,
 * deviations of coordinates 0.5 to 1; half of each variance is the causes', in proportions that are drawn.
 */
export function drawComponents(dim: number, count: number, seed: number): readonly Component[] {
  const u = new Float64Array(1 + dim * (2 + causes))
  const drawn = Array.from({ length: count }, (_, index) => {
    fillUniform(streamKey(seed, 'synthesis', index), u)
    const mean = u.slice(1, 1 + dim).map((at) => separation * normalQuantile(at))
    const deviations = u.slice(1 + dim, 1 + 2 * dim).map((at) => 0.5 + at / 2)
    const loadings = Array.from(deviations, (deviation, i) => {
      const first = 1 + 2 * dim + i * causes
      const row = u.slice(first, first + causes).map(normalQuantile)
      return row.map((value) => (deviation * Math.sqrt(explained) * value) / Math.hypot(...row))
    })
    const covariance = (i: number, j: number): number =>
      loadings[i]!.reduce((sum, value, cause) => sum + value * loadings[j]![cause]!, i === j ? (1 - explained) * deviations[i]! ** 2 : 0)
    return { weight: 1 + u[0]!, mean, factor: choleskyFactor(dim, covariance) }
  })
  const sum = drawn.reduce((total, { weight }) => total + weight, 0)
  return drawn.map((component) => ({ ...component, weight: component.weight / sum }))
}

/** The mixture of normal distributions, in closed form: |x - mean|^2 in units of the covariance is that of e, by forward substitution. */
export function gaussianMixture(components: readonly Component[]): KnownDensity {
  const dim = components[0]!.mean.length
  const logWeights = components.map(({ weight, factor }) => {
    const logDet = Array.from({ length: dim }, (_, i) => Math.log(factor[i * dim + i]!)).reduce((sum, value) => sum + value)
    return Math.log(weight) - logDet - (dim * Math.log(2 * Math.PI)) / 2
  })
  const e = new Float64Array(dim)
  const terms = new Float64Array(components.length)
  return {
    description: `${components.length} normal distributions with full covariances`,
    dim,
    draws: dim + 1,
    point: (u) => {
      const { mean, factor } = chosenBy(components, u[dim]!)
      for (let i = 0; i < dim; i++) e[i] = normalQuantile(u[i]!)
      return mean.map((centre, i) => {
        let sum = centre
        for (let j = 0; j <= i; j++) sum += factor[i * dim + j]! * e[j]!
        return sum
      })
    },
    logDensity: (x) => {
      components.forEach(({ mean, factor }, c) => {
        let squares = 0
        for (let i = 0; i < dim; i++) {
          let rest = x[i]! - mean[i]!
          for (let j = 0; j < i; j++) rest -= factor[i * dim + j]! * e[j]!
          e[i] = rest / factor[i * dim + i]!
          squares += e[i]! ** 2
        }
        terms[c] = logWeights[c]! - squares / 2
      })
      return logSumExp(terms)
    },
  }
}

function chosenBy(components: readonly Component[], u: number): Component {
  let below = 0
  for (const component of components) {
    below += component.weight
    if (u < below) return component
  }
  return components.at(-1)!
}
