import { streamKey, uniform } from '@niceflow/core'
import { buildGraph, differentiate, evaluate } from '@niceflow/graph'
import { describe, expect, it } from 'vitest'
import { splined, unsplined } from './spline.ts'

/** Float64 arithmetic with float32 constants (the least share, 1e-3) among values of order ten. */
const exact = 1e-6
/** The same of a slope: in a bin of a thousandth a place is a thousand times as far along. */
const steep = 5e-5
/** Central differences with this step of a function of slopes up to some hundreds, in float64. */
const step = 1e-6
const differences = 1e-5

const bins = 4
const numbers = 3 * bins - 1
/** Two dimensions: one drawn on (-2, 2), one of numbers as large as are cut. */
const drawn = Float64Array.from({ length: 2 * numbers }, (_, i) => {
  const u = uniform(streamKey(8, 'probe', i), 1)[0]!
  return i % 2 === 0 ? 4 * u - 2 : 40 * u - 20
})

/** The same numbers for every row. */
const repeated = (rows: number, parameters: Float64Array): Float64Array =>
  Float64Array.from({ length: rows * parameters.length }, (_, i) => parameters[i % parameters.length]!)

type Spline = { readonly y: Float64Array; readonly logSlope: Float64Array; readonly back: Float64Array }

/** The spline of both dimensions at the rows x [n, 2], and its inverse there. */
function spline(x: Float64Array, parameters: Float64Array = drawn): Spline {
  const g = buildGraph('spline')
  const [value, given] = [g.input('x', 'float32', ['batch', 2]), g.input('numbers', 'float32', ['batch', 2 * numbers])]
  const { y, logSlope } = splined(g, value, given)
  g.output('y', y)
  g.output('log_slope', logSlope)
  g.output('back', unsplined(g, y, given))
  const rows = x.length / 2
  const found = evaluate(g.build(), {
    x: { dims: [rows, 2], data: x },
    numbers: { dims: [rows, 2 * numbers], data: repeated(rows, parameters) },
  })
  return { y: found.y!.data, logSlope: found.log_slope!.data, back: found.back!.data }
}

/** Equations 4 and 5 of the paper in loops, for one value. */
function byHand(b: number, dimension: 0 | 1): { y: number; logSlope: number } {
  if (Math.abs(b) >= 4) return { y: b, logSlope: 0 }
  const cut = Array.from({ length: numbers }, (_, k) => Math.max(-Math.log(1000), Math.min(Math.log(1000), drawn[2 * k + dimension]!)))
  const lengths = (raw: number[]): number[] => {
    const sum = raw.reduce((total, value) => total + Math.exp(value), 0)
    return raw.map((value) => 8 * ((Math.exp(value) / sum) * (1 - bins / 1000) + 1 / 1000))
  }
  const [widths, heights] = [lengths(cut.slice(0, bins)), lengths(cut.slice(bins, 2 * bins))]
  const slopes = [1, ...cut.slice(2 * bins).map(Math.exp), 1]
  let [k, x, y] = [0, -4, -4]
  for (; b > x + widths[k]!; k++) {
    x += widths[k]!
    y += heights[k]!
  }
  const [t, s, first, last] = [(b - x) / widths[k]!, heights[k]! / widths[k]!, slopes[k]!, slopes[k + 1]!]
  const denominator = s + (first + last - 2 * s) * t * (1 - t)
  return {
    y: y + (heights[k]! * (s * t ** 2 + first * t * (1 - t))) / denominator,
    logSlope: Math.log((s ** 2 * (last * t ** 2 + 2 * s * t * (1 - t) + first * (1 - t) ** 2)) / denominator ** 2),
  }
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)

describe('a rational-quadratic spline', () => {
  const at = Float64Array.from({ length: 200 }, (_, i) => 12 * uniform(streamKey(9, 'probe', i), 1)[0]! - 6)
  const { y, logSlope, back } = spline(at)

  it("is the paper's, within [-4, 4] and beyond", () => {
    const expected = Array.from(at, (b, i) => byHand(b, (i % 2) as 0 | 1))
    expect(
      largest(
        y,
        expected.map((of) => of.y),
      ),
    ).toBeLessThan(exact)
    expect(
      largest(
        logSlope,
        expected.map((of) => of.logSlope),
      ),
    ).toBeLessThan(steep)
  })

  it('has the slope of its central differences', () => {
    const [up, down] = [spline(at.map((b) => b + step)).y, spline(at.map((b) => b - step)).y]
    expect(
      largest(
        logSlope,
        up.map((value, i) => Math.log((value - down[i]!) / (2 * step))),
      ),
    ).toBeLessThan(differences)
  })

  it('has the gradients of its central differences, with respect to all its numbers', () => {
    const few = at.slice(0, 20)
    // Of the sum of y + ln y', whatever the row.
    const total = (parameters: Float64Array): number => {
      const found = spline(few, parameters)
      return [...found.y, ...found.logSlope].reduce((sum, value) => sum + value, 0)
    }
    const g = buildGraph('gradient')
    const [value, given] = [g.input('x', 'float32', ['batch', 2]), g.input('numbers', 'float32', ['batch', 2 * numbers])]
    const { y, logSlope } = splined(g, value, given)
    g.output('gradient', differentiate(g, g.ReduceSum(g.Add(y, logSlope), [0, 1], { keepdims: 0 }), [given])[0]!)
    const inputs = { x: { dims: [10, 2], data: few }, numbers: { dims: [10, 2 * numbers], data: repeated(10, drawn) } }
    const rows = evaluate(g.build(), inputs).gradient!.data
    for (let k = 0; k < 2 * numbers; k++) {
      const [up, down] = [step, -step].map((change) => total(drawn.map((number, i) => (i === k ? number + change : number))))
      const gradient = Array.from({ length: 10 }, (_, row) => rows[row * 2 * numbers + k]!).reduce((sum, part) => sum + part)
      expect(Math.abs(gradient - (up! - down!) / (2 * step)), `number ${k}`).toBeLessThan(10 * differences)
    }
  })

  it('is inverted, where it is steep and where it is flat', () => {
    expect(largest(back, at)).toBeLessThan(exact)
  })

  it('is the identity where all its numbers are 0, ends and knots included', () => {
    const knots = Float64Array.of(-5, -4, -2, 0, 2, 4, 5, 1)
    const same = spline(knots, new Float64Array(2 * numbers))
    expect(largest(same.y, knots)).toBeLessThan(exact)
    expect(largest(same.logSlope, new Float64Array(8))).toBeLessThan(exact)
    expect(largest(same.back, knots)).toBeLessThan(exact)
  })
})
