/** Sums of rows [n, dim] and of their products, which give their covariance matrix; memory does not grow with n. */
export type CovarianceSums = {
  /** @param rows [.., dim], flat; any number of them at a time */
  readonly add: (rows: ArrayLike<number>) => void
  /** [dim, dim], flat: of n - 1 degrees of freedom. */
  readonly covariance: () => Float64Array
}

/** Rows taken at once: the matrix passes through the caches once for so many. */
const block = 4

/**
 * Sums in float64 of products as they are, not of differences from a mean: pixels are sums of integers, and exact; latents have means near 0. What
 * is zero in a whole block, as most pixels are, costs nothing.
 */
export function covarianceSums(dim: number): CovarianceSums {
  const sums = new Float64Array(dim)
  const products = new Float64Array(dim * dim)
  const taken = Array.from({ length: block }, () => new Float64Array(dim))
  const [r0, r1, r2, r3] = taken as [Float64Array, Float64Array, Float64Array, Float64Array]
  let count = 0

  return {
    add(rows) {
      const n = rows.length / dim
      for (let start = 0; start < n; start += block) {
        taken.forEach((row, k) => {
          for (let d = 0; d < dim; d++) row[d] = start + k < n ? rows[(start + k) * dim + d]! : 0
        })
        for (let i = 0; i < dim; i++) {
          const [a, b, c, d] = [r0[i]!, r1[i]!, r2[i]!, r3[i]!]
          if (a === 0 && b === 0 && c === 0 && d === 0) continue
          sums[i]! += a + b + c + d
          const line = i * dim
          for (let j = i; j < dim; j++) products[line + j]! += a * r0[j]! + b * r1[j]! + c * r2[j]! + d * r3[j]!
        }
      }
      count += n
    },
    covariance() {
      const covariance = new Float64Array(dim * dim)
      for (let i = 0; i < dim; i++) {
        for (let j = i; j < dim; j++) {
          const value = (products[i * dim + j]! - (sums[i]! * sums[j]!) / count) / (count - 1)
          covariance[i * dim + j] = value
          covariance[j * dim + i] = value
        }
      }
      return covariance
    },
  }
}
