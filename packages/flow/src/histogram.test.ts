import { tensor } from '@niceflow/core'
import { type Builder, buildGraph, evaluate, type Value } from '@niceflow/graph'
import { describe, expect, it } from 'vitest'
import { distribution, equalMassWidths, logDensity, massesOf, quantile } from './histogram.ts'

/** Float64 arithmetic with a float32 mass: 6e-8. */
const exact = 1e-6
const masses = Float32Array.of(0.5, 0.125, 0.375)

/** A function of values on [0, 1], with three bins. */
function on(values: readonly number[], f: (g: Builder, u: Value, p: Value) => Value): number[] {
  const g = buildGraph('histogram')
  const p = g.constant('p', tensor('float32', [1, 1, 3], masses))
  g.output('y', f(g, g.input('u', 'float32', ['batch', 1]), p))
  return [...evaluate(g.build(), { u: { dims: [values.length, 1], data: Float64Array.from(values) } }).y!.data]
}

const close = (got: readonly number[], expected: readonly number[]): void => {
  expect(got.length).toBe(expected.length)
  got.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThan(exact)
  })
}

describe('a histogram on [0, 1]', () => {
  it('has a distribution function of lines through the sums of its masses', () => {
    close(on([0, 1 / 6, 1 / 3, 0.5, 2 / 3, 5 / 6, 1], distribution), [0, 0.25, 0.5, 0.5625, 0.625, 0.8125, 1])
  })

  it('is inverted by its quantile function', () => {
    const at = Array.from({ length: 50 }, (_, i) => (i + 0.5) / 50)
    close(on(on(at, distribution), quantile), at)
  })

  it('says the same from its high end', () => {
    const at = [0, 0.1, 0.4, 0.75, 0.999, 1]
    const rest = at.map((u) => 1 - u)
    close(
      on(rest, (g, u, p) => distribution(g, u, p, 'high')),
      on(at, distribution).map((v) => 1 - v),
    )
    close(
      on(rest, (g, v, p) => quantile(g, v, p, 'high')),
      on(at, quantile).map((u) => 1 - u),
    )
  })

  it('has the slope of its distribution function as density, its ends included', () => {
    close(on([0, 0.2, 0.4, 0.9, 1], logDensity), [1.5, 1.5, 0.375, 1.125, 1.125].map(Math.log))
  })
})

/** Of leastMass, 1e-4, less what float32 rounds. */
const least = 0.9999e-4

it('makes masses of any numbers: positive, of sum one, a softmax where that is above the floor', () => {
  const g = buildGraph('masses')
  g.output('p', massesOf(g, g.input('raw', 'float32', ['batch', 1, 3])))
  const raw = Float64Array.of(0, 0, 0, 1, 2, 3, -1e9, 0, 1e9, 20, 10, 0)
  const p = evaluate(g.build(), { raw: { dims: [4, 1, 3], data: raw } }).p!.data
  for (let row = 0; row < 4; row++) {
    const own = p.slice(3 * row, 3 * row + 3)
    expect(Math.abs(own.reduce((sum, mass) => sum + mass, 0) - 1)).toBeLessThan(exact)
    expect(Math.min(...own)).toBeGreaterThan(least)
  }
  // Numbers beyond the cut are alike.
  close([p[9]!], [p[10]!])
  // 3e-4 of all is the floor's.
  expect(Math.abs(p[5]! - Math.exp(3) / (Math.exp(1) + Math.exp(2) + Math.exp(3)))).toBeLessThan(3e-4)
})

it('cuts cells into bins of equal mass, a heavy cell on its own, none without a cell', () => {
  const width = (cells: number[], bins: number): number[] =>
    [...equalMassWidths(Float64Array.from(cells), bins)].map((w) => w * cells.length)
  expect(width([0.25, 0.25, 0.25, 0.25], 2)).toEqual([2, 2])
  expect(width([0.625, ...Array(6).fill(0.0625), 0], 4)).toEqual([1, 2, 2, 3])
  expect(width([0.0625, 0.0625, 0.75, 0.0625, 0.0625, 0, 0, 0], 3)).toEqual([2, 1, 5])
  expect(width([0, 0, 0, 1], 4)).toEqual([1, 1, 1, 1])
  expect(width([1, 0, 0, 0], 3)).toEqual([1, 1, 2])
})
