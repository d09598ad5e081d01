import {
  dequantize,
  distributions,
  InvalidValueError,
  kolmogorovCritical,
  kolmogorovDistance,
  kolmogorovMean,
  normalTailQuantile,
  type Selection,
} from '@niceflow/core'
import type { Flow } from '@niceflow/runtime'
import { covarianceSums } from './covariance.ts'

/** The level of the tests: what the prior's own draws would fail as often. */
export const testLevel = 0.01

/** How far each latent's distribution is from the prior's: Kolmogorov-Smirnov distances sup |F_n - F|. */
export type Marginals = {
  /** Of each dimension. */
  readonly distances: readonly number[]
  readonly mean: number
  /** The mean distance of as many draws of the prior itself. */
  readonly meanByChance: number
  readonly worst: { readonly dimension: number; readonly distance: number }
  /** The distance that `testLevel` of dimensions would exceed by chance, and the share that does. */
  readonly critical: number
  readonly beyond: number
}

/** Correlations of every two of the columns of a table. */
export type Correlations = {
  readonly largest: { readonly dimensions: readonly [number, number]; readonly value: number }
  /** The size that the largest of as many would have by chance: the median of it, were all independent. */
  readonly largestByChance: number
  readonly rms: number
  readonly rmsByChance: number
}

/** How near the latents of examples are to what a flow promises: independent draws of the prior. */
export type Independence = {
  readonly examples: number
  readonly marginals: Marginals
  /** Of the latents. */
  readonly values: Correlations
  /** Of their magnitudes: latents that are uncorrelated may still be large together. */
  readonly magnitudes: Correlations
}

export type IndependenceOptions = {
  /** Of the draw that dequantises each example. @default 0 */
  readonly seed?: number
  readonly onProgress?: (done: number, total: number) => void
}

/** Rows in memory at once, besides the latents. */
const chunk = 1000
/** Fewer tell nothing of a distribution, and Kolmogorov's approximation does not hold for them. */
const leastExamples = 5

/**
 * Encodes examples and holds their latents against the prior.
 * @param selection examples that the flow was not fitted to
 * @throws InvalidValueError for fewer than five examples; NonFiniteLikelihoodError
 */
export async function latentIndependence(
  flow: Flow,
  { examples, indices }: Selection,
  { seed = 0, onProgress }: IndependenceOptions = {},
): Promise<Independence> {
  const n = indices.length
  if (n < leastExamples) throw new InvalidValueError({ what: 'examples', expected: `${leastExamples} or more`, got: n })
  const { dim } = flow
  const { dataRange: range, dequantization, prior } = flow.manifest.model
  const columns = Array.from({ length: dim }, () => new Float32Array(n))
  const [values, magnitudes] = [covarianceSums(dim), covarianceSums(dim)]
  for (let start = 0; start < n; start += chunk) {
    const taken = indices.subarray(start, start + chunk)
    const { data } = (await flow.encode(dequantize(examples, taken, { seed, draw: 0, range, dequantization }))).z
    values.add(data)
    magnitudes.add(data.map(Math.abs))
    for (let i = 0; i < data.length; i++) columns[i % dim]![start + Math.floor(i / dim)] = data[i]!
    onProgress?.(start + taken.length, n)
  }
  const distances = columns.map((column) => kolmogorovDistance(column.sort(), distributions[prior]))
  return {
    examples: n,
    marginals: marginalsOf(distances, n),
    values: correlationsOf(values.covariance(), dim, n),
    magnitudes: correlationsOf(magnitudes.covariance(), dim, n),
  }
}

function marginalsOf(distances: readonly number[], n: number): Marginals {
  const critical = kolmogorovCritical(n, testLevel)
  const worst = Math.max(...distances)
  return {
    distances,
    mean: distances.reduce((sum, distance) => sum + distance, 0) / distances.length,
    meanByChance: kolmogorovMean(n),
    worst: { dimension: distances.indexOf(worst), distance: worst },
    critical,
    beyond: distances.filter((distance) => distance > critical).length / distances.length,
  }
}

/**
 * The correlations of a covariance matrix [dim, dim], off its diagonal; of a column that does not vary they are 0. By chance each is about normal, of
 * variance 1 / (n - 1), and of m of them the largest is below x with the probability (1 - 2 P(Z > x sqrt(n - 1)))^m. Exported for its test alone.
 */
export function correlationsOf(covariance: Float64Array, dim: number, n: number): Correlations {
  let largest: Correlations['largest'] = { dimensions: [0, 0], value: 0 }
  let squares = 0
  for (let i = 0; i < dim; i++) {
    for (let j = i + 1; j < dim; j++) {
      const spread = Math.sqrt(covariance[i * (dim + 1)]! * covariance[j * (dim + 1)]!)
      const value = spread > 0 ? covariance[i * dim + j]! / spread : 0
      squares += value * value
      if (Math.abs(value) > Math.abs(largest.value)) largest = { dimensions: [i, j], value }
    }
  }
  const pairs = (dim * (dim - 1)) / 2
  const byChance = 1 / Math.sqrt(n - 1)
  const tail = -Math.expm1(-Math.LN2 / pairs) / 2
  return {
    largest,
    largestByChance: normalTailQuantile(Math.log(tail)) * byChance,
    rms: Math.sqrt(squares / pairs),
    rmsByChance: byChance,
  }
}
