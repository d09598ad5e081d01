import { type ModelFacts, type Selection, tensor } from '@niceflow/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { covarianceSums } from './covariance.ts'
import { componentVariances, effectiveDimension, principalVariances } from './spectrum.ts'

/** Sums of some dozens of products in float64, of numbers up to 100. */
const rounding = 1e-9

const most = (differences: readonly number[]): number => Math.max(...differences.map(Math.abs))
const model: ModelFacts = { dim: 3, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: null }
const all = (examples: Selection['examples']): Selection => ({
  examples,
  indices: Uint32Array.from({ length: examples.dims[0]! }, (_, i) => i),
})

describe('covarianceSums', () => {
  const value = fc.oneof(fc.constant(0), fc.double({ min: -10, max: 10, noNaN: true }))
  const table = fc.array(fc.array(value, { minLength: 3, maxLength: 3 }), { minLength: 2, maxLength: 15 })

  test('are those of the definition, whatever portions the rows come in', () => {
    fc.assert(
      fc.property(table, fc.nat(15), (rows, cut) => {
        const sums = covarianceSums(3)
        sums.add(rows.slice(0, cut).flat())
        sums.add(Float32Array.of())
        sums.add(rows.slice(cut).flat())
        const n = rows.length
        const means = [0, 1, 2].map((d) => rows.reduce((sum, row) => sum + row[d]!, 0) / n)
        const expected = [0, 1, 2].flatMap((i) =>
          [0, 1, 2].map((j) => rows.reduce((sum, row) => sum + (row[i]! - means[i]!) * (row[j]! - means[j]!), 0) / (n - 1)),
        )
        expect(most(expected.map((covariance, at) => covariance - sums.covariance()[at]!))).toBeLessThan(rounding)
      }),
    )
  })
})

describe('principalVariances', () => {
  test('are the variances along perpendicular axes, whichever way these are turned', () => {
    // Four corners, at distances of 3, 2 and 0.1 along three axes that are turned in two planes and moved off 0.
    const corners = [
      [1, 1, 1],
      [1, -1, -1],
      [-1, 1, -1],
      [-1, -1, 1],
    ]
    const [c, s] = [Math.cos(0.7), Math.sin(0.7)]
    const turned = corners.map(([a, b, d]) => [3 * a!, 2 * b!, 0.1 * d!]).map(([a, b, d]) => [c * a! - s * b!, s * a! + c * b!, d!])
    const rows = turned.map(([a, b, d]) => [a! + 5, c * b! - s * d!, s * b! + c * d!])
    const found = principalVariances(all(tensor('float32', [4, 3], Float32Array.from(rows.flat()))), { ...model, pixels: false })
    // Of three degrees of freedom: 4/3 of the mean squares. Float32 rounds rows of up to 8.
    expect(most([9, 4, 0.01].map((square, i) => (4 / 3) * square - found[i]!))).toBeLessThan(1e-5)
  })

  test('of pixels are those of their cells on the data range, with the noise that dequantises them', () => {
    const corners = [0, 0, 0, 10, 0, 0, 0, 20, 0, 10, 20, 0]
    const told: number[][] = []
    const found = principalVariances(
      all(tensor('uint8', [4, 3], Uint8Array.from(corners))),
      { ...model, dataRange: [-1, 1] },
      (...progress) => told.push(progress),
    )
    const cell = 2 / 256
    const expected = [(4 / 3) * 100, (4 / 3) * 25, 0].map((levels) => cell ** 2 * (levels + 1 / 12))
    expect(most(expected.map((variance, i) => variance - found[i]!))).toBeLessThan(rounding)
    expect(told).toEqual([[4, 4]])
  })

  test('of chosen examples are of these alone', () => {
    const examples = tensor('float32', [3, 3], Float32Array.of(0, 0, 0, 99, 98, 1, 0, 2, 0))
    const found = principalVariances({ examples, indices: Uint32Array.of(0, 2) }, { ...model, pixels: false })
    expect(most([2, 0, 0].map((variance, i) => variance - found[i]!))).toBeLessThan(rounding)
  })
})

describe('effectiveDimension', () => {
  test('counts dimensions of equal variance, and no others', () => {
    for (const k of [1, 2, 7]) {
      const { entropy, participation } = effectiveDimension([...new Array<number>(k).fill(0.3), 0, 0])
      expect(most([entropy - k, participation - k])).toBeLessThan(rounding)
    }
  })

  test('is between one and all, does not know the unit, and is less by participation', () => {
    const variances = fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(variances, (values) => {
        const { entropy, participation } = effectiveDimension(values)
        expect(participation).toBeGreaterThan(1 - rounding)
        expect(entropy).toBeGreaterThan(participation - rounding)
        expect(entropy).toBeLessThan(values.length + rounding)
        const scaled = effectiveDimension(values.map((value) => 1000 * value))
        expect(most([scaled.entropy - entropy, scaled.participation - participation])).toBeLessThan(rounding)
      }),
    )
  })

  test('by hand: shares of 1/2, 1/4 and 1/4', () => {
    const { entropy, participation } = effectiveDimension([2, 1, 1])
    expect(most([entropy - 2 ** 1.5, participation - 8 / 3])).toBeLessThan(rounding)
  })
})

test('the variances of components are those of the prior, scaled', () => {
  const found = [...componentVariances(Float64Array.of(1, 0.5), 'logistic'), ...componentVariances(Float64Array.of(3), 'gaussian')]
  expect(most([Math.PI ** 2 / 3 - found[0]!, Math.PI ** 2 / 12 - found[1]!, 9 - found[2]!])).toBeLessThan(rounding)
})
