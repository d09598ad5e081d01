import type { Examples } from './batches.ts'

/** What the numbers of one dimension of some examples are like. */
export type ColumnFacts = {
  readonly min: number
  readonly max: number
  readonly mean: number
  /** Of n, not of n - 1. */
  readonly deviation: number
  readonly quartiles: readonly [lower: number, median: number, upper: number]
  /** How many different values there are, whether all are whole numbers, and the share of the one that comes most often. */
  readonly distinct: number
  readonly whole: boolean
  readonly mode: { readonly value: number; readonly share: number }
}

/** The facts of each column of examples [n, dim] of finite numbers; there must be one at the least. */
export function columnFacts(examples: Examples): ColumnFacts[] {
  const [count, dim] = examples.dims as [number, number]
  const column = examples.data.slice(0, count)
  return Array.from({ length: dim }, (_, d) => {
    for (let row = 0; row < count; row++) column[row] = examples.data[row * dim + d]!
    return factsOf(column.sort())
  })
}

function factsOf(sorted: Uint8Array | Float32Array): ColumnFacts {
  const n = sorted.length
  let [sum, squares, distinct, whole] = [0, 0, 0, true]
  for (const value of sorted) sum += value
  const mean = sum / n
  let mode = { value: sorted[0]!, share: 0 }
  for (let start = 0, end = 0; start < n; start = end) {
    const value = sorted[start]!
    while (end < n && sorted[end] === value) end++
    distinct++
    whole &&= Number.isInteger(value)
    squares += (end - start) * (value - mean) ** 2
    if (end - start > mode.share * n) mode = { value, share: (end - start) / n }
  }
  const at = (probability: number): number => sorted[Math.round(probability * (n - 1))]!
  const quartiles = [at(0.25), at(0.5), at(0.75)] as const
  return { min: sorted[0]!, max: sorted[n - 1]!, mean, deviation: Math.sqrt(squares / n), quartiles, distinct, whole, mode }
}

/** How many rows of examples are the same as an earlier one, told by 64 bits of hash. */
export function repeatedRows({ dims, data }: Examples): number {
  const [count, dim] = dims as [number, number]
  const width = dim * data.BYTES_PER_ELEMENT
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const seen = new Set<bigint>()
  for (let row = 0; row < count; row++) {
    // FNV-1a, from two starts.
    let [a, b] = [0x811c9dc5, 0x9747b28c]
    for (let at = row * width; at < (row + 1) * width; at++) {
      a = Math.imul(a ^ bytes[at]!, 0x01000193)
      b = Math.imul(b ^ bytes[at]!, 0x85ebca6b)
    }
    seen.add((BigInt(a >>> 0) << 32n) | BigInt(b >>> 0))
  }
  return count - seen.size
}

/** A column that those before it tell: one of them alone, of which it is a copy but for scale and shift, or several together. */
export type Dependence = { readonly column: number; readonly copyOf: number | undefined }

/** Rows that dependences are looked for in. */
const rowsLooked = 10_000
/** Columns up to which they are: the work goes with the square of their number. */
const mostColumns = 256
/** The share of a column's variance that others leave unexplained where they tell it: float32 rounding, and no more. */
const unexplained = 1e-8

/**
 * Columns that are linear in those before them, by the Gram-Schmidt process: there a density has no bound. Constant columns are passed over;
 * nothing is looked for in many columns, or in hardly more rows than columns.
 */
export function dependences(examples: Examples): Dependence[] {
  const [all, dim] = examples.dims as [number, number]
  const count = Math.min(all, rowsLooked)
  if (dim > mostColumns || count < 2 * dim) return []
  const columns = Array.from({ length: dim }, (_, d) => standardized(examples, d, count))
  const found: Dependence[] = []
  // What those before a column do not tell of it, of length 1.
  const residuals: Float64Array[] = []
  columns.forEach((column, d) => {
    if (!column) return
    const residual = column.slice()
    for (const other of residuals) addScaled(residual, -dot(residual, other), other)
    const left = dot(residual, residual)
    if (left > unexplained) {
      residuals.push(residual.map((value) => value / Math.sqrt(left)))
      return
    }
    const original = columns.slice(0, d).findIndex((other) => other && 1 - dot(column, other) ** 2 < unexplained)
    found.push({ column: d, copyOf: original < 0 ? undefined : original })
  })
  return found
}

/** Whether float32 tells the values of a column apart: rounding makes noise of one that varies less. */
export function isConstant({ mean, deviation }: Pick<ColumnFacts, 'mean' | 'deviation'>): boolean {
  return deviation <= 2 ** -23 * Math.abs(mean)
}

/** The first rows of a column, of mean 0 and length 1; undefined for a constant one. */
function standardized({ dims, data }: Examples, d: number, count: number): Float64Array | undefined {
  const column = Float64Array.from({ length: count }, (_, row) => data[row * dims[1]! + d]!)
  const mean = column.reduce((sum, value) => sum + value, 0) / count
  const centred = column.map((value) => value - mean)
  const length = Math.sqrt(dot(centred, centred))
  return isConstant({ mean, deviation: length / Math.sqrt(count) }) ? undefined : centred.map((value) => value / length)
}

function addScaled(a: Float64Array, factor: number, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) a[i]! += factor * b[i]!
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
