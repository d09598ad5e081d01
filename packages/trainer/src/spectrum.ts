import { cellWidth, type ModelFacts, rows, type Selection } from '@niceflow/core'
import { priors } from '@niceflow/flow'
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { covarianceSums } from './covariance.ts'

/** How many dimensions a spectrum of variances comes to, of as many as it has: all where they are equal, one where one is all. */
export type EffectiveDimension = {
  /** exp of the entropy of the shares that the variances have in their sum. */
  readonly entropy: number
  /** The participation ratio (sum v)^2 / sum v^2, which goes by the largest alone. */
  readonly participation: number
}

/** @param variances from 0, one of them above it */
export function effectiveDimension(variances: ArrayLike<number>): EffectiveDimension {
  const values = Float64Array.from(variances)
  const total = values.reduce((sum, value) => sum + value, 0)
  const shares = values.map((value) => value / total)
  return {
    entropy: Math.exp(shares.reduce((sum, share) => sum - (share > 0 ? share * Math.log(share) : 0), 0)),
    participation: 1 / shares.reduce((sum, share) => sum + share * share, 0),
  }
}

/**
 * The variances that a flow gives its components h = exp(-s) z, [dim] by dimension: exp(-2 s) times the prior's.
 * @param scales exp(-s)
 * @see Dinh et al. 2014, section 3.3
 */
export function componentVariances(scales: Float64Array, prior: ModelFacts['prior']): Float64Array {
  return scales.map((scale) => (scale * priors[prior].deviation) ** 2)
}

/** Rows between two reports of progress. */
const chunk = 1000

/**
 * The variances of the principal components of examples, the largest first: the eigenvalues of their covariance matrix, on the model's data range.
 * Pixels are counted as dequantised, without drawing: uniform noise adds a twelfth of the squared cell to each variance and nothing between pixels.
 */
export function principalVariances(
  { examples, indices }: Selection,
  { dim, dataRange }: ModelFacts,
  onProgress?: (done: number, total: number) => void,
): Float64Array {
  const sums = covarianceSums(dim)
  for (let start = 0; start < indices.length; start += chunk) {
    const taken = indices.subarray(start, start + chunk)
    const gathered = new Float64Array(taken.length * dim)
    taken.forEach((index, i) => {
      gathered.set(rows(examples, index, index + 1).data, i * dim)
    })
    sums.add(gathered)
    onProgress?.(start + taken.length, indices.length)
  }
  const covariance = sums.covariance()
  if (examples.dtype === 'uint8') {
    const cell = cellWidth(dataRange)
    for (let i = 0; i < covariance.length; i++) covariance[i]! *= cell ** 2
    for (let d = 0; d < dim; d++) covariance[d * (dim + 1)]! += cell ** 2 / 12
  }
  const { realEigenvalues } = new EigenvalueDecomposition(Matrix.from1DArray(dim, dim, covariance), { assumeSymmetric: true })
  return Float64Array.from(realEigenvalues, (value) => Math.max(0, value))
    .sort()
    .reverse()
}
