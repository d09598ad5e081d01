import { type ModelFacts, quantizePixels, type Tensor } from '@niceflow/core'

/**
 * The lossless coder of JPEG-LS (ITU-T T.87, of LOCO-I: Weinberger, Seroussi and Sapiro 2000), as far as it counts bits: it learns the
 * statistics of an image from the image itself, in one pass, and needs no table and no library that another host would have in another
 * version. So a size is the same wherever it is asked for, and to the bit, which matters where an image has a hundred bytes.
 */

/** Parameters for 8 bits a sample without loss (T.87, annex C.2.4.1.1): thresholds of gradients, halving of counts, longest codes. */
const thresholds = [3, 7, 21] as const
const reset = 64
const bitsPerSample = 8
const longest = 2 * (bitsPerSample + 8)
/** Counts of prediction error that contexts begin with: max(2, floor((256 + 32) / 64)). */
const firstError = 4

/** Nine levels of each of three gradients, opposite signs merged; and two for what ends a run (T.87, A.3.4, A.7.2). */
const contexts = 365
const runLengths = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15]

/** The level of a gradient from -255 to 255, at its index plus 255. */
const levels = Int8Array.from({ length: 511 }, (_, i) => {
  const size = Math.abs(i - 255)
  return Math.sign(i - 255) * (size === 0 ? 0 : 1 + thresholds.filter((threshold) => size >= threshold).length)
})

const [errors, biases, corrections, counts] = [contexts + 2, contexts, contexts, contexts + 2].map((length) => new Int32Array(length))
const negatives = new Int32Array(2)

/**
 * The bits that JPEG-LS codes an image of one channel in, without loss: the entropy-coded part of its file, before stuffing and padding.
 * @param pixels [rows, columns], row by row
 */
export function losslessBits(pixels: Uint8Array, [rows, columns]: readonly [rows: number, columns: number]): number {
  errors!.fill(firstError)
  biases!.fill(0)
  corrections!.fill(0)
  counts!.fill(1)
  negatives.fill(0)
  let bits = 0
  let runIndex = 0
  let cornerOfRow = 0
  for (let row = 0; row < rows; row++) {
    const start = row * columns
    const above = (column: number): number => (row === 0 ? 0 : pixels[start - columns + column]!)
    // Beyond the left edge lies what is above, and above that, what lay there one row before.
    const leftOfRow = above(0)
    let column = 0
    while (column < columns) {
      const a = column === 0 ? leftOfRow : pixels[start + column - 1]!
      const b = above(column)
      const c = column === 0 ? cornerOfRow : above(column - 1)
      const d = column === columns - 1 ? b : above(column + 1)
      const context = 81 * levels[d - b + 255]! + 9 * levels[b - c + 255]! + levels[c - a + 255]!
      if (context !== 0) {
        bits += predicted(pixels[start + column]!, a, b, c, context)
        column++
        continue
      }
      let run = 0
      while (column < columns && pixels[start + column] === a) {
        run++
        column++
      }
      for (; run >= 1 << runLengths[runIndex]!; bits++) {
        run -= 1 << runLengths[runIndex]!
        if (runIndex < runLengths.length - 1) runIndex++
      }
      if (column === columns) {
        if (run > 0) bits++
        continue
      }
      bits += 1 + runLengths[runIndex]! + endOfRun(pixels[start + column]!, a, above(column), runLengths[runIndex]!)
      if (runIndex > 0) runIndex--
      column++
    }
    cornerOfRow = leftOfRow
  }
  return bits
}

/**
 * The sizes of examples' lossless codes, in bits [n]: how complex each is, as far as a general coder sees. Floats are taken for the pixels in whose
 * cells they lie; pixels that are no image are coded as one row. Null for a model of other data than pixels.
 */
export function codeSizes(x: Tensor<'uint8' | 'float32'>, { dim, pixels, imageShape, dataRange }: ModelFacts): Float64Array | null {
  if (!pixels) return null
  const levels = x.dtype === 'uint8' ? x.data : quantizePixels(x.data, dataRange)
  const shape = imageShape ?? ([1, dim] as const)
  return Float64Array.from({ length: levels.length / dim }, (_, i) => losslessBits(levels.subarray(i * dim, (i + 1) * dim), shape))
}

/** The bits of a sample by the median of its neighbours and what its context has learnt (T.87, A.4 to A.6). */
function predicted(sample: number, a: number, b: number, c: number, signed: number): number {
  const sign = signed < 0 ? -1 : 1
  const q = sign * signed
  const [low, high] = a < b ? [a, b] : [b, a]
  const median = c >= high ? low : c <= low ? high : a + b - c
  const prediction = Math.max(0, Math.min(255, median + sign * corrections![q]!))
  const error = modulo(sign * (sample - prediction))
  const k = golombParameter(errors![q]!, counts![q]!)
  const [positive, negative] = k === 0 && 2 * biases![q]! <= -counts![q]! ? [2 * error + 1, -2 * error - 2] : [2 * error, -2 * error - 1]
  const bits = golombBits(error >= 0 ? positive : negative, k, longest)
  biases![q]! += error
  errors![q]! += Math.abs(error)
  if (counts![q] === reset) {
    errors![q]! >>= 1
    biases![q]! >>= 1
    counts![q]! >>= 1
  }
  const n = ++counts![q]!
  if (biases![q]! <= -n) {
    corrections![q] = Math.max(-128, corrections![q]! - 1)
    biases![q] = Math.max(biases![q]! + n, 1 - n)
  } else if (biases![q]! > 0) {
    corrections![q] = Math.min(127, corrections![q]! + 1)
    biases![q] = Math.min(biases![q]! - n, 0)
  }
  return bits
}

/** The bits of the sample that ends a run of `a` (T.87, A.7.2). */
function endOfRun(sample: number, a: number, b: number, runLength: number): number {
  const type = a === b ? 1 : 0
  const q = contexts + type
  const error = modulo(type === 0 && a > b ? b - sample : sample - b)
  const n = counts![q]!
  const k = golombParameter(errors![q]! + (type === 1 ? n >> 1 : 0), n)
  const mostlyNegative = 2 * negatives[type]! >= n
  const mapped = error > 0 ? k === 0 && !mostlyNegative : error < 0 && (mostlyNegative || k !== 0)
  const code = 2 * Math.abs(error) - type - (mapped ? 1 : 0)
  const bits = golombBits(code, k, longest - runLength - 1)
  if (error < 0) negatives[type]!++
  errors![q]! += (code + 1 - type) >> 1
  if (n === reset) {
    errors![q]! >>= 1
    counts![q]! >>= 1
    negatives[type]! >>= 1
  }
  counts![q]!++
  return bits
}

/** An error modulo 256, from -128 to 127. */
function modulo(error: number): number {
  return ((error + 128) & 255) - 128
}

function golombParameter(error: number, count: number): number {
  let k = 0
  while (count << k < error) k++
  return k
}

/** The length of a Golomb code, limited by an escape to the plain number (T.87, A.5.3). */
function golombBits(value: number, k: number, limit: number): number {
  const unary = value >> k
  return unary < limit - bitsPerSample - 1 ? unary + 1 + k : limit
}
