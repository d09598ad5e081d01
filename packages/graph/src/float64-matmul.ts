import { InvalidValueError, sizeOf } from '@niceflow/core'
import { broadcastTo, commonShape, type Float64Value } from './float64-arrays.ts'
import { formatShape } from './ir.ts'

/** A matrix inside an array: element (i, j) is `data[offset + i * rowStride + j * columnStride]`, so that a transpose is two numbers swapped. */
type Matrix = { readonly data: Float64Array; readonly offset: number; readonly rowStride: number; readonly columnStride: number }

/** The result is computed in tiles of `tile` x `tile`, whose sums stay in registers. */
const tile = 4
/** How much of the inner dimension, and how many columns of the right-hand side, are packed at a time: 256 x 4 x 8 bytes of each side sit in
 * the first-level cache, the packed right-hand side in the second. */
const depthBlock = 256
const columnBlock = 256

/** Packs lines (rows of a left side, columns of a right side) in groups of `tile`, interleaved, the last group filled up with zeros. */
function pack(
  out: Float64Array,
  data: Float64Array,
  offset: number,
  lineStride: number,
  depthStride: number,
  lines: number,
  depth: number,
): void {
  let at = 0
  for (let first = 0; first < lines; first += tile) {
    const present = Math.min(tile, lines - first)
    for (let p = 0; p < depth; p++) {
      const from = offset + first * lineStride + p * depthStride
      for (let i = 0; i < tile; i++) out[at++] = i < present ? data[from + i * lineStride]! : 0
    }
  }
}

const sums = new Float64Array(tile * tile)

/** `sums` becomes the product of one packed group of each side. Written out, without arrays, so that engines keep the sums in registers. */
function multiplyTile(a: Float64Array, aStart: number, b: Float64Array, bStart: number, depth: number): void {
  let s00 = 0
  let s01 = 0
  let s02 = 0
  let s03 = 0
  let s10 = 0
  let s11 = 0
  let s12 = 0
  let s13 = 0
  let s20 = 0
  let s21 = 0
  let s22 = 0
  let s23 = 0
  let s30 = 0
  let s31 = 0
  let s32 = 0
  let s33 = 0
  const aEnd = aStart + depth * tile
  for (let p = aStart, q = bStart; p < aEnd; p += tile, q += tile) {
    const b0 = b[q + 0]!
    const b1 = b[q + 1]!
    const b2 = b[q + 2]!
    const b3 = b[q + 3]!
    const a0 = a[p]!
    s00 += a0 * b0
    s01 += a0 * b1
    s02 += a0 * b2
    s03 += a0 * b3
    const a1 = a[p + 1]!
    s10 += a1 * b0
    s11 += a1 * b1
    s12 += a1 * b2
    s13 += a1 * b3
    const a2 = a[p + 2]!
    s20 += a2 * b0
    s21 += a2 * b1
    s22 += a2 * b2
    s23 += a2 * b3
    const a3 = a[p + 3]!
    s30 += a3 * b0
    s31 += a3 * b1
    s32 += a3 * b2
    s33 += a3 * b3
  }
  sums[0] = s00
  sums[1] = s01
  sums[2] = s02
  sums[3] = s03
  sums[4] = s10
  sums[5] = s11
  sums[6] = s12
  sums[7] = s13
  sums[8] = s20
  sums[9] = s21
  sums[10] = s22
  sums[11] = s23
  sums[12] = s30
  sums[13] = s31
  sums[14] = s32
  sums[15] = s33
}

const padded = (lines: number): number => Math.ceil(lines / tile) * tile

/** Adds the product of `a` [m, k] and `b` [k, n] to the row-major [m, n] matrix that starts at `out[outOffset]`. */
function addProduct(out: Float64Array, outOffset: number, a: Matrix, b: Matrix, m: number, n: number, k: number): void {
  const packedA = new Float64Array(padded(m) * Math.min(k, depthBlock))
  const packedB = new Float64Array(padded(Math.min(n, columnBlock)) * Math.min(k, depthBlock))
  for (let k0 = 0; k0 < k; k0 += depthBlock) {
    const depth = Math.min(depthBlock, k - k0)
    pack(packedA, a.data, a.offset + k0 * a.columnStride, a.rowStride, a.columnStride, m, depth)
    for (let n0 = 0; n0 < n; n0 += columnBlock) {
      const columns = Math.min(columnBlock, n - n0)
      pack(packedB, b.data, b.offset + k0 * b.rowStride + n0 * b.columnStride, b.columnStride, b.rowStride, columns, depth)
      for (let i = 0; i < m; i += tile) {
        for (let j = 0; j < columns; j += tile) {
          multiplyTile(packedA, i * depth, packedB, j * depth, depth)
          const height = Math.min(tile, m - i)
          const width = Math.min(tile, columns - j)
          for (let r = 0; r < height; r++) {
            const row = outOffset + (i + r) * n + n0 + j
            for (let c = 0; c < width; c++) out[row + c]! += sums[r * tile + c]!
          }
        }
      }
    }
  }
}

/**
 * Matrix product over the last two axes, the axes before them broadcast.
 * @param a [..., m, k], or [..., k, m] where `transA`
 * @param b [..., k, n], or [..., n, k] where `transB`
 * @returns [..., m, n]
 */
export function matmul(a: Float64Value, b: Float64Value, transA = false, transB = false): Float64Value {
  const [left, right] = [matrices(a, transA), matrices(b, transB)]
  const [m, k, n] = [left.rows, left.columns, right.columns]
  if (right.rows !== k) {
    throw new InvalidValueError({
      what: 'matrices',
      expected: 'inner dimensions that agree',
      got: `${formatShape(a.dims)} x ${formatShape(b.dims)}`,
    })
  }
  const batch = commonShape([left.batch, right.batch])
  const [leftOffsets, rightOffsets] = [broadcastTo(left.offsets, batch), broadcastTo(right.offsets, batch)]
  const out = new Float64Array(sizeOf(batch) * m * n)
  leftOffsets.forEach((offset, i) => {
    addProduct(out, i * m * n, left.at(offset), right.at(rightOffsets[i]!), m, n, k)
  })
  return { dims: [...batch, m, n], data: out, integer: a.integer }
}

type MatrixStack = {
  readonly batch: readonly number[]
  /** Where in memory each matrix starts, shaped as `batch`. */
  readonly offsets: Float64Value
  readonly rows: number
  readonly columns: number
  readonly at: (offset: number) => Matrix
}

function matrices({ dims, data }: Float64Value, transposed: boolean): MatrixStack {
  const [height, width] = dims.slice(-2) as [number, number]
  const batch = dims.slice(0, -2)
  const offsets = { dims: batch, data: Float64Array.from({ length: sizeOf(batch) }, (_, i) => i * height * width) }
  const [rows, columns] = transposed ? [width, height] : [height, width]
  const [rowStride, columnStride] = transposed ? [1, width] : [width, 1]
  return { batch, offsets, rows, columns, at: (offset) => ({ data, offset, rowStride, columnStride }) }
}
