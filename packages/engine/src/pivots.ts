/** Rows eliminated at once: what is known of L passes through the caches once for so many. */
const block = 4

/**
 * The pivots d of a symmetric matrix less a multiple of the identity, A - shift I = L diag(d) L' with a unit lower triangle L, in float64. Of a
 * positive definite matrix they are positive, and the sum of their logarithms is ln det; of any other as many are negative as there are
 * eigenvalues below the shift (Sylvester's law of inertia). There is no pivoting: the shift must stay well above the rounding of A.
 * @param matrix [dim, dim], flat; its lower triangle is read
 * @see Golub and Van Loan, Matrix Computations, sections 4.1.2 and 8.1.5
 */
export function pivots(matrix: Float64Array, dim: number, shift = 0): Float64Array {
  const lower = new Float64Array(dim * dim)
  const d = new Float64Array(dim)
  const scaled = Array.from({ length: block }, () => new Float64Array(dim))
  const [u0, u1, u2, u3] = scaled as [Float64Array, Float64Array, Float64Array, Float64Array]
  for (let first = 0; first < dim; first += block) {
    // u = L diag(d) of these rows; where the block goes beyond the last row, that row again.
    const at = scaled.map((_, k) => Math.min(first + k, dim - 1) * dim) as [number, number, number, number]
    for (let j = 0; j < first; j++) {
      const row = j * dim
      let [s0, s1, s2, s3] = [0, 0, 0, 0]
      for (let p = 0; p < j; p++) {
        const l = lower[row + p]!
        s0 += u0[p]! * l
        s1 += u1[p]! * l
        s2 += u2[p]! * l
        s3 += u3[p]! * l
      }
      u0[j] = matrix[at[0] + j]! - s0
      u1[j] = matrix[at[1] + j]! - s1
      u2[j] = matrix[at[2] + j]! - s2
      u3[j] = matrix[at[3] + j]! - s3
    }
    for (let i = first; i < Math.min(first + block, dim); i++) {
      const u = scaled[i - first]!
      for (let j = first; j < i; j++) {
        let sum = 0
        for (let p = 0; p < j; p++) sum += u[p]! * lower[j * dim + p]!
        u[j] = matrix[i * dim + j]! - sum
      }
      let pivot = matrix[i * dim + i]! - shift
      for (let p = 0; p < i; p++) {
        const l = u[p]! / d[p]!
        lower[i * dim + p] = l
        pivot -= u[p]! * l
      }
      d[i] = pivot
    }
  }
  return d
}
