import { type ImageShape, type ModelFacts, planeOf, quantizePixels, type Tensor } from '@niceflow/core'

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

/** The level of each gradient from -255 to 255, at its index plus 255, times `weight`: three levels of nine make a context (T.87, A.3.3 and A.3.4). */
const levelsTimes = (weight: number): Int16Array =>
  Int16Array.from({ length: 511 }, (_, i) => {
    const size = Math.abs(i - 255)
    return weight * Math.sign(i - 255) * (size === 0 ? 0 : 1 + thresholds.filter((threshold) => size >= threshold).length)
  })
const [levels81, levels9, levels1] = [levelsTimes(81), levelsTimes(9), levelsTimes(1)] as const

/**
 * What each context has learnt: the sum of its errors' magnitudes, that of its errors, the correction of its predictions, and how often it was met
 * (A, B, C and N of T.87). The two that end runs count negative errors instead (A.7.2).
 */
const errors = new Int32Array(contexts + 2)
const biases = new Int32Array(contexts)
const corrections = new Int32Array(contexts)
const counts = new Int32Array(contexts + 2)
const negatives = new Int32Array(2)

/** The image within what the standard has beyond its edges. It grows with the largest image, and is written anew for each. */
let frame = new Uint8Array(0)

/**
 * The bits that JPEG-LS codes an image of one channel in, without loss: the entropy-coded part of its file, before stuffing and padding.
 * @param pixels [rows, columns], row by row
 */
export function losslessBits(pixels: Uint8Array, [rows, columns]: readonly [rows: number, columns: number]): number {
  errors.fill(firstError)
  biases.fill(0)
  corrections.fill(0)
  counts.fill(1)
  negatives.fill(0)
  enframe(pixels, rows, columns)
  const image = frame
  const width = columns + 2
  let bits = 0
  let runIndex = 0
  for (let row = 1; row <= rows; row++) {
    let at = row * width + 1
    const end = at + columns
    while (at < end) {
      const a = image[at - 1]!
      const b = image[at - width]!
      const c = image[at - width - 1]!
      const d = image[at - width + 1]!
      const context = levels81[d - b + 255]! + levels9[b - c + 255]! + levels1[c - a + 255]!
      if (context !== 0) {
        bits += predicted(image[at]!, a, b, c, context)
        at++
        continue
      }
      const start = at
      while (at < end && image[at] === a) at++
      let run = at - start
      for (; run >= 1 << runLengths[runIndex]!; bits++) {
        run -= 1 << runLengths[runIndex]!
        if (runIndex < runLengths.length - 1) runIndex++
      }
      if (at === end) {
        if (run > 0) bits++
        continue
      }
      bits += 1 + runLengths[runIndex]! + endOfRun(image[at]!, a, image[at - width]!, runLengths[runIndex]!)
      if (runIndex > 0) runIndex--
      at++
    }
  }
  return bits
}

/** Above the image lies nothing; left of a row what is above its first pixel, right of it its last (A.2.1). */
function enframe(pixels: Uint8Array, rows: number, columns: number): void {
  const width = columns + 2
  if (frame.length < (rows + 1) * width) frame = new Uint8Array((rows + 1) * width)
  frame.fill(0, 0, width)
  for (let row = 1; row <= rows; row++) {
    const [start, from] = [row * width, (row - 1) * columns]
    frame[start] = frame[start - width + 1]!
    for (let column = 0; column < columns; column++) frame[start + 1 + column] = pixels[from + column]!
    frame[start + width - 1] = frame[start + columns]!
  }
}

/**
 * The sizes of examples' lossless codes, in bits [n]: how complex each is, as far as a general coder sees. Floats are taken for the pixels in whose
 * cells they lie; pixels that are no image are coded as one row. Null for a model of other data than pixels.
 */
export function codeSizes(
  x: Tensor<'uint8' | 'float32'>,
  { dim, pixels, imageShape, dataRange, dequantization }: ModelFacts,
): Float64Array | null {
  if (!pixels) return null
  const levels = x.dtype === 'uint8' ? x.data : quantizePixels(x.data, dataRange, dequantization)
  const shape = imageShape ?? ([1, dim] as const)
  return Float64Array.from({ length: levels.length / dim }, (_, i) => imageBits(levels.subarray(i * dim, (i + 1) * dim), shape))
}

/** Colours are coded plane by plane, red and blue as what green leaves of them (modulo 256): in most images the three go together. */
function imageBits(image: Uint8Array, shape: ImageShape): number {
  const [rows, columns] = shape
  if (shape.length === 2) return losslessBits(image, shape)
  const [red, green, blue] = [0, 1, 2].map((channel) => planeOf(image, 3, channel)) as [Uint8Array, Uint8Array, Uint8Array]
  const planes = [green, ...[red, blue].map((plane) => plane.map((level, at) => level - green[at]!))]
  return planes.reduce((bits, plane) => bits + losslessBits(plane, [rows, columns]), 0)
}

/** The bits of a sample by the median of its neighbours and what its context has learnt (T.87, A.4 to A.6). */
function predicted(sample: number, a: number, b: number, c: number, signed: number): number {
  const sign = (signed >> 31) | 1
  const q = sign * signed
  const low = a < b ? a : b
  const high = a < b ? b : a
  const median = c >= high ? low : c <= low ? high : a + b - c
  const corrected = median + sign * corrections[q]!
  const error = modulo(sign * (sample - (corrected < 0 ? 0 : corrected > 255 ? 255 : corrected)))
  let n = counts[q]!
  let bias = biases[q]!
  const k = golombParameter(errors[q]!, n)
  // 0, -1, 1, -2, 2, … are 0, 1, 2, 3, 4, …; in pairs the other way about where errors are small and mostly negative.
  const code = (error << 1) ^ (error >> 31) ^ (k === 0 && 2 * bias <= -n ? 1 : 0)
  bias += error
  errors[q]! += Math.abs(error)
  if (n === reset) {
    errors[q]! >>= 1
    bias >>= 1
    n >>= 1
  }
  n++
  if (bias <= -n) {
    if (corrections[q]! > -128) corrections[q]!--
    bias = bias + n > 1 - n ? bias + n : 1 - n
  } else if (bias > 0) {
    if (corrections[q]! < 127) corrections[q]!++
    bias = bias < n ? bias - n : 0
  }
  biases[q] = bias
  counts[q] = n
  return golombBits(code, k, longest)
}

/** The bits of the sample that ends a run of `a` (T.87, A.7.2). */
function endOfRun(sample: number, a: number, b: number, runLength: number): number {
  const type = a === b ? 1 : 0
  const q = contexts + type
  const error = modulo(type === 0 && a > b ? b - sample : sample - b)
  const n = counts[q]!
  const k = golombParameter(errors[q]! + (type === 1 ? n >> 1 : 0), n)
  const mostlyNegative = 2 * negatives[type]! >= n
  const mapped = error > 0 ? k === 0 && !mostlyNegative : error < 0 && (mostlyNegative || k !== 0)
  const code = 2 * Math.abs(error) - type - (mapped ? 1 : 0)
  const bits = golombBits(code, k, longest - runLength - 1)
  if (error < 0) negatives[type]!++
  errors[q]! += (code + 1 - type) >> 1
  if (n === reset) {
    errors[q]! >>= 1
    counts[q]! >>= 1
    negatives[type]! >>= 1
  }
  counts[q]!++
  return bits
}

/** An error modulo 256, from -128 to 127. */
function modulo(error: number): number {
  return ((error + 128) & 255) - 128
}

/** The least k for which count * 2^k is as much as the error (T.87, A.5.1). */
function golombParameter(error: number, count: number): number {
  const k = Math.clz32(count) - Math.clz32(error)
  return k < 0 ? 0 : count << k < error ? k + 1 : k
}

/** The length of a Golomb code, limited by an escape to the plain number (T.87, A.5.3). */
function golombBits(value: number, k: number, limit: number): number {
  const unary = value >> k
  return unary < limit - bitsPerSample - 1 ? unary + 1 + k : limit
}
