/**
 * The lower triangular L with L L' = A, row-major [dim, dim] (Golub and Van Loan, "Matrix computations", section 4.2).
 * @param entry A's entry of a row and a column, asked for on and below the diagonal; A is symmetric and positive definite
 */
export function choleskyFactor(dim: number, entry: (row: number, column: number) => number): Float64Array {
  const factor = new Float64Array(dim * dim)
  for (let i = 0; i < dim; i++)
    for (let j = 0; j <= i; j++) {
      let rest = entry(i, j)
      for (let k = 0; k < j; k++) rest -= factor[i * dim + k]! * factor[j * dim + k]!
      factor[i * dim + j] = i === j ? Math.sqrt(rest) : rest / factor[j * dim + j]!
    }
  return factor
}
