import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BatchOptions, batches, dequantize, type Examples } from './batches.ts'
import type { DataRange } from './likelihood.ts'
import { permutation, streamKey } from './random.ts'
import { tensor } from './tensor.ts'

fc.configureGlobal({ seed: 1 })

const dim = 3
const unit: DataRange = [0, 1]

/** `count` rows of pixels, each row its own. */
function pixels(count: number): Examples {
  return tensor(
    'uint8',
    [count, dim],
    Uint8Array.from({ length: count * dim }, (_, i) => (i * 37) % 256),
  )
}

/** `count` rows that say which example they are: [i, i + 1/4, i + 1/2]. */
function numbered(count: number): Examples {
  return tensor(
    'float32',
    [count, dim],
    Float32Array.from({ length: count * dim }, (_, i) => Math.floor(i / dim) + (i % dim) / 4),
  )
}

function options(changes: Partial<BatchOptions>): BatchOptions {
  const examples = changes.examples ?? pixels(10)
  const indices = Uint32Array.from({ length: examples.dims[0]! }, (_, i) => i)
  return { examples, indices, batchSize: 4, seed: 0, epoch: 0, stepsPerRun: 1, range: unit, ...changes }
}

/** An epoch as its rows, in order. */
function rowsOf(changes: Partial<BatchOptions>): number[][] {
  return [...batches(options(changes))].flatMap(({ x }) => {
    return Array.from({ length: x.length / dim }, (_, row) => [...x.subarray(row * dim, (row + 1) * dim)])
  })
}

const anySizes = fc.record({
  count: fc.integer({ min: 0, max: 40 }),
  batchSize: fc.integer({ min: 1, max: 50 }),
  stepsPerRun: fc.integer({ min: 1, max: 6 }),
})

describe('shared noise', () => {
  /** Black images on [0, 1]: each value is its noise, over 256. */
  const black = tensor('uint8', [10, dim])
  const noise = (changes: Partial<BatchOptions>): number[][] => rowsOf({ examples: black, dequantization: 'shared', ...changes })

  it('is one for each batch of an epoch, whatever a run holds', () => {
    const rows = noise({ batchSize: 4, stepsPerRun: 1 })
    const kinds = [...new Set(rows.map((row) => row.join()))]
    expect(rows.map((row) => kinds.indexOf(row.join()))).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    expect(noise({ batchSize: 4, stepsPerRun: 3 })).toEqual(rows)
    expect(noise({ batchSize: 4, epoch: 1 })).not.toEqual(rows)
  })

  it('is the same for all that is scored, in whatever parts', () => {
    const score = (indices: number[]): Float32Array =>
      dequantize(black, Uint32Array.from(indices), { seed: 2, draw: 3, range: unit, dequantization: 'shared' })
    const all = score([0, 1, 2, 3])
    expect(all).toEqual(Float32Array.of(...score([3]), ...score([1, 0]), ...score([2])))
    expect(new Set(all).size).toBe(dim)
  })
})

describe('batches', () => {
  it('gives every example in use once an epoch, whatever the sizes', () => {
    fc.assert(
      fc.property(anySizes, fc.nat(), ({ count, ...sizes }, epoch) => {
        const odd = Uint32Array.from({ length: count }, (_, i) => 2 * i + 1)
        const seen = rowsOf({ examples: numbered(2 * count + 1), indices: odd, epoch, ...sizes }).map(([first]) => first!)
        expect(seen.sort((a, b) => a - b)).toEqual([...odd])
      }),
    )
  })

  it('lays whole batches out as runs [steps, batch, dim], and what is left as one smaller batch', () => {
    const shapes = (changes: Partial<BatchOptions>): number[][] =>
      [...batches(options(changes))].map(({ x, steps, batch }) => [steps, batch, x.length])
    const examples = pixels(23)
    expect(shapes({ examples, batchSize: 4, stepsPerRun: 2 })).toEqual([
      [2, 4, 24],
      [2, 4, 24],
      [1, 4, 12],
      [1, 3, 9],
    ])
    expect(shapes({ examples: pixels(8), batchSize: 4, stepsPerRun: 2 })).toEqual([[2, 4, 24]])
    expect(shapes({ examples, batchSize: 100, stepsPerRun: 5 })).toEqual([[1, 23, 69]])
    expect(shapes({ examples: pixels(0) })).toEqual([])
  })

  it('gives the same rows in the same order, whatever the batch size and the steps in a run', () => {
    fc.assert(
      fc.property(anySizes, fc.nat(), fc.nat(), ({ count, ...sizes }, seed, epoch) => {
        const examples = pixels(count)
        expect(rowsOf({ examples, seed, epoch, ...sizes })).toEqual(rowsOf({ examples, seed, epoch, batchSize: 1 }))
      }),
    )
  })

  it('gives each example the values that it has alone, drawn for its index and the epoch', () => {
    const examples = pixels(10)
    const indices = Uint32Array.of(9, 2, 4, 7)
    const [run] = batches(options({ examples, indices, seed: 6, epoch: 5 }))
    const order = permutation(streamKey(6, 'shuffle', 5), 4)
    const alone = [...order].flatMap((i) => [...dequantize(examples, indices.subarray(i, i + 1), { seed: 6, draw: 5, range: unit })])
    expect([...run!.x]).toEqual(alone)
  })

  it('resumes at any epoch: one epoch is a function of its number, not of those before', () => {
    const epochs = [0, 1, 2, 3].map((epoch) => rowsOf({ epoch }))
    expect(rowsOf({ epoch: 3 })).toEqual(epochs[3])
    expect(new Set(epochs.map((rows) => JSON.stringify(rows))).size).toBe(4)
  })

  it('changes order and noise with the seed and the epoch', () => {
    const order = (seed: number, epoch: number): number[] => rowsOf({ examples: numbered(40), seed, epoch }).map(([first]) => first!)
    expect(order(0, 0)).not.toEqual(order(1, 0))
    expect(order(0, 0)).not.toEqual(order(0, 1))
    const sorted = (seed: number, epoch: number): number[] =>
      rowsOf({ seed, epoch })
        .flat()
        .sort((a, b) => a - b)
    expect(sorted(0, 0)).not.toEqual(sorted(1, 0))
    expect(sorted(0, 0)).not.toEqual(sorted(0, 1))
  })

  it.each([
    ['batch size', { batchSize: 0 }, 0],
    ['batch size', { batchSize: -200 }, -200],
    ['batch size', { batchSize: 1.5 }, 1.5],
    ['steps per run', { stepsPerRun: 0 }, 0],
  ])('refuses a %s of %o before the first batch', (what, changes, got) => {
    const message = `${what}: expected a positive integer, got ${got}`
    expect(() => batches(options(changes))).toThrow(expect.objectContaining({ name: 'InvalidValueError', usage: true, message }))
  })
})

describe('dequantize', () => {
  it('copies floats as they are', () => {
    expect(dequantize(numbered(5), Uint32Array.of(4, 1), { seed: 0, draw: 0, range: [-1, 1] })).toEqual(
      Float32Array.of(4, 4.25, 4.5, 1, 1.25, 1.5),
    )
  })

  it.each([[[0, 1]], [[-1, 1]]] as [DataRange][])('spreads a pixel over its cell of %o, evenly', (range) => {
    const count = 4096
    const examples = tensor('uint8', [count, dim], new Uint8Array(count * dim).fill(200))
    const indices = Uint32Array.from({ length: count }, (_, i) => i)
    const x = dequantize(examples, indices, { seed: 1, draw: 0, range })
    const cell = (range[1] - range[0]) / 256
    const u = [...x].map((value) => (value - range[0]) / cell - 200)
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
    /** Five standard deviations of the mean of n uniform draws, and of that of their squares. */
    const tolerance = (variance: number): number => 5 * Math.sqrt(variance / u.length)
    expect(Math.abs(mean(u) - 1 / 2)).toBeLessThan(tolerance(1 / 12))
    expect(Math.abs(mean(u.map((value) => value ** 2)) - 1 / 3)).toBeLessThan(tolerance(4 / 45))
    expect(new Set(x).size).toBeGreaterThan(0.9 * x.length)
  })

  it('refuses an index that is not a row of the examples', () => {
    const message = 'index of an example: expected less than 5, got 5'
    expect(() => dequantize(pixels(5), Uint32Array.of(0, 5), { seed: 0, draw: 0, range: unit })).toThrow(message)
  })
})
