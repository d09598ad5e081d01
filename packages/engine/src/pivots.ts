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
    const [r0, r1, r2, r3] = scaled.map((_, k) => Math.min(first + k, dim - 1) * dim) as [number, number, number, number]
    // Two columns at a time: eight sums for six numbers read. (Each is a constant of its own: taken apart from arrays they cost twice the time.)
    for (let j = 0; j < first; j += 2) {
      const [row, next] = [j * dim, (j + 1) * dim]
      let [s0, s1, s2, s3, t0, t1, t2, t3] = [0, 0, 0, 0, 0, 0, 0, 0]
      for (let p = 0; p < j; p++) {
        const l = lower[row + p]!
        const m = lower[next + p]!
        const v0 = u0[p]!
        const v1 = u1[p]!
        const v2 = u2[p]!
        const v3 = u3[p]!
        s0 += v0 * l
        s1 += v1 * l
        s2 += v2 * l
        s3 += v3 * l
        t0 += v0 * m
        t1 += v1 * m
        t2 += v2 * m
        t3 += v3 * m
      }
      const m = lower[next + j]!
      u0[j] = matrix[r0 + j]! - s0
      u1[j] = matrix[r1 + j]! - s1
      u2[j] = matrix[r2 + j]! - s2
      u3[j] = matrix[r3 + j]! - s3
      u0[j + 1] = matrix[r0 + j + 1]! - t0 - u0[j]! * m
      u1[j + 1] = matrix[r1 + j + 1]! - t1 - u1[j]! * m
      u2[j + 1] = matrix[r2 + j + 1]! - t2 - u2[j]! * m
      u3[j + 1] = matrix[r3 + j + 1]! - t3 - u3[j]! * m
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
