import fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { block, fillUniform, type Key, permutation, purposes, streamKey, uniform } from './random.ts'
import { fillBySimd } from './uniform-simd.ts'

fc.configureGlobal({ seed: 1 })

const words = (text: string): Key => text.split(' ').map((word) => Number.parseInt(word, 16)) as unknown as Key
const anySeed = fc.maxSafeNat()
const anyKey = fc.tuple(fc.nat({ max: 2 ** 32 - 1 }), fc.nat({ max: 2 ** 32 - 1 }))

/** Pearson's statistic of counts that should be equal: about chi-square with counts.length - 1 degrees of freedom. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

/** Five standard deviations above the mean of chi-square: seeds are fixed, so a sound generator passes always. */
const chiSquareLimit = (degrees: number): number => degrees + 5 * Math.sqrt(2 * degrees)

function correlation(a: Float32Array, b: Float32Array): number {
  // Uniform draws on (0, 1) have mean 1/2 and variance 1/12.
  return a.reduce((sum, value, i) => sum + (value - 0.5) * (b[i]! - 0.5), 0) / a.length / (1 / 12)
}

/** Five standard deviations of the correlation of n independent pairs. */
const correlationLimit = (n: number): number => 5 / Math.sqrt(n)

describe('block', () => {
  // Random123 1.14, tests/kat_vectors: "threefry2x32 20 <counter> <key> <output>".
  it.each([
    ['00000000 00000000', '00000000 00000000', '6b200159 99ba4efe'],
    ['ffffffff ffffffff', 'ffffffff ffffffff', '1cb996fc bb002be7'],
    ['243f6a88 85a308d3', '13198a2e 03707344', 'c4923a9c 483df7a0'],
  ])('is Threefry-2x32-20: counter %s under key %s gives %s', (counter, key, expected) => {
    const [c0, c1] = words(counter)
    expect(block(words(key), c0, c1)).toEqual(words(expected))
  })

  it('is a bijection of the counter: no two counters share a block', () => {
    const key: Key = [1, 2]
    const seen = new Set(Array.from({ length: 10_000 }, (_, i) => block(key, i % 100, Math.floor(i / 100)).join()))
    expect(seen.size).toBe(10_000)
  })
})

describe('streamKey', () => {
  // From a transcription of the paper's pseudocode to Python: key = E(E(seed, (purpose, index >> 32)), (index & 0xffffffff, draw)).
  it('has pinned values: reproducible runs depend on them', () => {
    expect(streamKey(7, 'dequantization', 12, 3)).toEqual([1158813958, 2962931599])
    expect(streamKey(2 ** 53 - 1, 'sample', 2 ** 40 + 5, 1)).toEqual([3276395166, 2810258209])
  })

  it('differs wherever seed, purpose, index or draw differ', () => {
    const large = 2 ** 32
    const keys = [0, 1, large, large + 1].flatMap((seed) =>
      (Object.keys(purposes) as (keyof typeof purposes)[]).flatMap((purpose) =>
        [0, 1, large].flatMap((index) => [0, 1, 2].map((draw) => streamKey(seed, purpose, index, draw).join())),
      ),
    )
    expect(new Set(keys).size).toBe(keys.length)
  })
})

describe('fillUniform', () => {
  it('has pinned values: reproducible runs depend on them', () => {
    expect([...uniform(streamKey(7, 'dequantization', 12, 3), 3)]).toEqual([0.18062645196914673, 0.5486065745353699, 0.8296032547950745])
  })

  it('gives odd multiples of 2^-24 inside (0, 1), the same in float32 and float64', () => {
    fc.assert(
      fc.property(anyKey, fc.nat({ max: 65 }), (key, length) => {
        const draws = uniform(key, length)
        const double = new Float64Array(length)
        fillUniform(key, double)
        expect([...draws]).toEqual([...double])
        for (const u of draws) {
          expect((u * 2 ** 24) % 2).toBe(1)
          expect(u > 0 && u < 1).toBe(true)
        }
      }),
    )
  })

  it('is a function of key and position: a shorter row is the start of a longer one, wherever it is written', () => {
    fc.assert(
      fc.property(anyKey, fc.nat({ max: 30 }), fc.nat({ max: 30 }), fc.nat({ max: 5 }), (key, length, more, start) => {
        const out = new Float32Array(start + length + 2).fill(9)
        fillUniform(key, out, start, start + length)
        expect(out.subarray(start, start + length)).toEqual(uniform(key, length + more).subarray(0, length))
        expect([...out.subarray(0, start), ...out.subarray(start + length)].every((value) => value === 9)).toBe(true)
      }),
    )
  })

  it('is made of blocks, whether by vectors or one by one, where the host has WebAssembly and where it has none', async () => {
    vi.resetModules()
    vi.stubGlobal('WebAssembly', undefined)
    onTestFinished(() => void vi.unstubAllGlobals())
    const { fillUniform: fillWithout } = await import('./random.ts')
    const filled = (fill: typeof fillUniform, key: Key, length: number): Float64Array => {
      const out = new Float64Array(length + 3)
      fill(key, out, 3)
      return out.subarray(3)
    }
    // Without this, what could not be compiled would be made one by one, and be as right.
    expect(fillBySimd(0, 0, new Float32Array(32), 0, 32)).toBe(true)
    // Around sixteen, which vectors make at once, and around what their memory holds.
    const lengths = [1, 2, 31, 32, 33, 47, 48, 784, 2 ** 14 - 1, 2 ** 14, 2 ** 14 + 1, 2 ** 15 + 17]
    for (const key of [words('00000000 00000000'), words('ffffffff 80000001'), words('13198a2e 03707344')]) {
      const blocks = Float64Array.from({ length: lengths.at(-1)! }, (_, i) => ((block(key, i >> 1, 0)[i & 1]! >>> 9) + 0.5) * 2 ** -23)
      for (const length of lengths) {
        expect(filled(fillUniform, key, length)).toEqual(blocks.subarray(0, length))
        expect(filled(fillWithout, key, length)).toEqual(blocks.subarray(0, length))
      }
    }
  })

  it('is uniform: a million draws fill 256 cells evenly, and pairs of neighbours 32 x 32', () => {
    const draws = uniform(streamKey(1, 'sample', 0), 2 ** 20)
    const cells = new Array<number>(256).fill(0)
    for (const u of draws) cells[Math.floor(u * 256)]!++
    expect(chiSquare(cells)).toBeLessThan(chiSquareLimit(255))
    const pairs = new Array<number>(1024).fill(0)
    for (let i = 0; i < draws.length; i += 2) pairs[32 * Math.floor(draws[i]! * 32) + Math.floor(draws[i + 1]! * 32)]!++
    expect(chiSquare(pairs)).toBeLessThan(chiSquareLimit(1023))
  })

  it('is independent along a row and between rows of neighbouring keys', () => {
    const n = 2 ** 16
    const row = uniform(streamKey(5, 'sample', 0), n + 2)
    const others = [
      row.subarray(1, n + 1),
      row.subarray(2, n + 2),
      uniform(streamKey(5, 'sample', 1), n),
      uniform(streamKey(5, 'sample', 0, 1), n),
      uniform(streamKey(6, 'sample', 0), n),
      uniform(streamKey(5, 'dequantization', 0), n),
    ]
    for (const other of others) expect(Math.abs(correlation(row.subarray(0, n), other))).toBeLessThan(correlationLimit(n))
  })

  it('is uniform down a column: the first draw of each of 65,536 examples', () => {
    const cells = new Array<number>(64).fill(0)
    for (let index = 0; index < 2 ** 16; index++) cells[Math.floor(uniform(streamKey(0, 'dequantization', index), 1)[0]! * 64)]!++
    expect(chiSquare(cells)).toBeLessThan(chiSquareLimit(63))
  })
})

describe('permutation', () => {
  it('has pinned values: reproducible runs depend on them', () => {
    expect([...permutation(streamKey(0, 'shuffle', 0), 10)]).toEqual([1, 7, 4, 6, 2, 0, 5, 3, 9, 8])
  })

  it('holds each of 0 … n-1 once', () => {
    fc.assert(
      fc.property(anySeed, fc.nat({ max: 300 }), (seed, n) => {
        expect([...permutation(streamKey(seed, 'shuffle', 0), n)].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i))
      }),
    )
  })

  it('gives each order of four equally often', () => {
    const times = new Map<string, number>()
    for (let epoch = 0; epoch < 24_000; epoch++) {
      const order = permutation(streamKey(0, 'shuffle', epoch), 4).join()
      times.set(order, (times.get(order) ?? 0) + 1)
    }
    expect(times.size).toBe(24)
    expect(chiSquare([...times.values()])).toBeLessThan(chiSquareLimit(23))
  })
})
