import { tensor } from '@niceflow/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { selectSplit, splitIndices } from './split.ts'

fc.configureGlobal({ seed: 1 })

const dataset = { train: tensor('uint8', [10, 2]), test: tensor('float32', [3, 2]) }
const invalid = (message: string): unknown => expect.objectContaining({ name: 'InvalidValueError', usage: true, message })

describe('splitIndices', () => {
  it('puts every example in one of the two lists, ascending', () => {
    const sizes = fc.integer({ min: 1, max: 300 }).chain((count) => fc.tuple(fc.constant(count), fc.nat({ max: count - 1 })))
    fc.assert(
      fc.property(sizes, fc.maxSafeNat(), ([count, validation], seed) => {
        const split = splitIndices(count, validation, seed)
        expect(split.validation.length).toBe(validation)
        const ascending = (list: Uint32Array): boolean => list.every((index, i) => i === 0 || list[i - 1]! < index)
        expect([ascending(split.train), ascending(split.validation)]).toEqual([true, true])
        expect([...split.train, ...split.validation].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
      }),
    )
  })

  it('is a function of the seed', () => {
    expect(splitIndices(1000, 100, 3)).toEqual(splitIndices(1000, 100, 3))
    expect(splitIndices(1000, 100, 3).validation).not.toEqual(splitIndices(1000, 100, 4).validation)
  })

  it('holds out every example equally often', () => {
    const [count, validation, seeds] = [20, 5, 4000]
    const times = new Array<number>(count).fill(0)
    for (let seed = 0; seed < seeds; seed++) for (const index of splitIndices(count, validation, seed).validation) times[index]!++
    const expected = (seeds * validation) / count
    /** Five standard deviations of a binomial count: a sound generator passes all but once in 100,000 changes of the seeds. */
    const tolerance = 5 * Math.sqrt(expected * (1 - validation / count))
    for (const held of times) expect(Math.abs(held - expected)).toBeLessThan(tolerance)
  })

  it.each([10, 11, -1, 2.5, Number.NaN])('refuses to hold out %s of 10', (validation) => {
    const message = `validation examples: expected an integer from 0 to 9, one less than the training examples, got ${validation}`
    expect(() => splitIndices(10, validation, 0)).toThrow(invalid(message))
  })
})

describe('selectSplit', () => {
  it('trains on all where none are held out', () => {
    expect(selectSplit(dataset, 'train', { validation: 0, seed: 0 })).toEqual({
      examples: dataset.train,
      indices: Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    })
  })

  it('takes train and validation from the training examples, without copying them', () => {
    const options = { validation: 4, seed: 5 }
    const expected = splitIndices(10, 4, 5)
    for (const split of ['train', 'validation'] as const) {
      const { examples, indices } = selectSplit(dataset, split, options)
      expect(examples).toBe(dataset.train)
      expect(indices).toEqual(expected[split])
    }
  })

  it('takes the whole of the test examples, whatever is held out', () => {
    expect(selectSplit(dataset, 'test', { validation: 4, seed: 5 })).toEqual({ examples: dataset.test, indices: Uint32Array.of(0, 1, 2) })
  })

  it('refuses to evaluate on a validation split of none', () => {
    const message = 'validation examples: expected at least 1 to evaluate on, got 0'
    expect(() => selectSplit(dataset, 'validation', { validation: 0, seed: 0 })).toThrow(invalid(message))
  })
})
