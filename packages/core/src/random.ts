/**
 * Counter-based random numbers: every draw is a function of (seed, purpose, index, draw, dimension) and of nothing else, so it does not
 * depend on batch, chunk, shard, worker or queue, and is the same in Node and in a browser.
 *
 * The generator is Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): it needs only
 * additions, rotations and exclusive ors of 32-bit words, which JavaScript engines compile to single instructions.
 */

import { fillBySimd, skeinParity } from './uniform-simd.ts'

/** What a draw is for. The numbers are part of the format of reproducible runs: never change one. */
export const purposes = {
  dequantization: 1,
  shuffle: 2,
  split: 3,
  initialization: 4,
  sample: 5,
  probe: 6,
  augmentation: 7,
  dropout: 8,
  hardSet: 16,
  mask: 20,
  inpaintingStart: 21,
  inpaintingNoise: 22,
  inpaintingDequantization: 23,
  synthesis: 24,
} as const
export type Purpose = keyof typeof purposes

/** A key of the generator: two 32-bit words. */
export type Key = readonly [number, number]

/**
 * Threefry-2x32-20: encrypts the counter (c0, c1) under the key (k0, k1) into `out[0]`, `out[1]`. Written as a loop over its five key
 * injections, it is small enough for engines to inline, which makes it twice as fast as all twenty rounds written out.
 */
function threefry(k0: number, k1: number, c0: number, c1: number, out: Uint32Array): void {
  let x0 = (c0 + k0) | 0
  let x1 = (c1 + k1) | 0
  let next = k1
  let afterNext = skeinParity ^ k0 ^ k1
  let last = k0
  for (let injection = 1; injection <= 5; injection++) {
    if (injection & 1) {
      x0 = (x0 + x1) | 0
      x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0
      x0 = (x0 + x1) | 0
      x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0
      x0 = (x0 + x1) | 0
      x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0
      x0 = (x0 + x1) | 0
      x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0
    } else {
      x0 = (x0 + x1) | 0
      x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0
      x0 = (x0 + x1) | 0
      x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0
      x0 = (x0 + x1) | 0
      x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0
      x0 = (x0 + x1) | 0
      x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0
    }
    x0 = (x0 + next) | 0
    x1 = (x1 + afterNext + injection) | 0
    const used = next
    next = afterNext
    afterNext = last
    last = used
  }
  out[0] = x0
  out[1] = x1
}

/** One block of the generator, as two unsigned 32-bit words. */
export function block([k0, k1]: Key, c0: number, c1: number): Key {
  const out = new Uint32Array(2)
  threefry(k0, k1, c0, c1, out)
  return [out[0]!, out[1]!]
}

/**
 * The key of one row of draws.
 * @param seed any integer from 0 to 2^53 - 1
 * @param index the example's index in the request or dataset
 * @param draw which draw of the same example (an epoch, say)
 */
export function streamKey(seed: number, purpose: Purpose, index: number, draw = 0): Key {
  const base = block([seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0], purposes[purpose], Math.floor(index / 2 ** 32))
  return block(base, index >>> 0, draw >>> 0)
}

const words = new Uint32Array(2)

/** Fewer draws than this take longer to ask for of vectors than to make here. */
const fewest = 32

/** Fills `out` from `start` to `end` with uniform draws of the open interval (0, 1): (k + 1/2) / 2^23, exact in float32 and never 0 or 1. */
export function fillUniform(key: Key, out: Float32Array | Float64Array, start = 0, end: number = out.length): void {
  // Words past 2^31 are floating-point to the engine: as signed integers they stay in integer registers throughout the loop.
  const k0 = key[0] | 0
  const k1 = key[1] | 0
  if (end - start >= fewest && fillBySimd(k0, k1, out, start, end)) return
  let at = start
  for (let counter = 0; at < end; counter++) {
    threefry(k0, k1, counter, 0, words)
    out[at++] = ((words[0]! >>> 9) + 0.5) * 2 ** -23
    if (at < end) out[at++] = ((words[1]! >>> 9) + 0.5) * 2 ** -23
  }
}

/** `length` uniform draws of (0, 1). */
export function uniform(key: Key, length: number): Float32Array {
  const out = new Float32Array(length)
  fillUniform(key, out)
  return out
}

/** A permutation of 0 … n-1 (Fisher-Yates, 53-bit draws reduced to the range: the bias is below n / 2^53). */
export function permutation(key: Key, n: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    threefry(key[0], key[1], i, 1, words)
    const j = Math.floor(((words[0]! * 2 ** 21 + (words[1]! >>> 11)) / 2 ** 53) * (i + 1))
    const kept = order[i]!
    order[i] = order[j]!
    order[j] = kept
  }
  return order
}
