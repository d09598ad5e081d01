import type { Builder, Value } from '@niceflow/graph'

/**
 * A density on [0, 1] that is constant within each of K equal bins, so that its distribution function is a line there (Müller et al. 2019,
 * "Neural importance sampling", section 4.1). Values are [batch, d]; the bins' masses p, which sum to one, [batch, d, K] or [1, 1, K].
 */

/** The end of [0, 1] that a value is a distance from: near 1 the distance from there has the digits that float32 has not for the value. */
type End = 'low' | 'high'

/** How many bins lie between bin k of K and an end. */
const place: Readonly<Record<End, (k: number, bins: number) => number>> = { low: (k) => k, high: (k, bins) => bins - 1 - k }

/** F(u) = sum_k p_k clip(K u - k, 0, 1), k = 0, ..., K - 1; from the high end, 1 - F(1 - u). */
export function distribution(g: Builder, u: Value, masses: Value, end: End = 'low'): Value {
  const bins = binsOf(masses)
  const filled = g.Clip(g.Sub(g.Unsqueeze(g.Mul(u, bins), [2]), numbers(g, bins, place[end])), 0, 1)
  return sumOverBins(g, g.Mul(filled, masses))
}

/** ln F'(u) = ln(K p_k), k the bin that u lies in. */
export function logDensity(g: Builder, u: Value, masses: Value): Value {
  const bins = binsOf(masses)
  const bin = g.Min(g.Floor(g.Mul(u, bins)), bins - 1)
  // One at that bin and zero at all others.
  const own = g.Relu(g.Sub(1, g.Abs(g.Sub(g.Unsqueeze(bin, [2]), numbers(g, bins)))))
  return g.Add(g.Log(sumOverBins(g, g.Mul(own, masses))), Math.log(bins))
}

/** F^-1(v) = 1/K sum_k clip((v - P_k) / p_k, 0, 1), P_k = sum_{j < k} p_j; from the high end, 1 - F^-1(1 - v). */
export function quantile(g: Builder, v: Value, masses: Value, end: End = 'low'): Value {
  const bins = binsOf(masses)
  const at = (k: number): number => place[end](k, bins)
  const nearer = Array.from({ length: bins * bins }, (_, i) => Number(at(Math.floor(i / bins)) < at(i % bins)))
  const between = g.MatMul(masses, g.Reshape(g.Cast(nearer, { to: 'float32' }), [bins, bins]))
  return g.Mul(sumOverBins(g, g.Clip(g.Div(g.Sub(g.Unsqueeze(v, [2]), between), masses), 0, 1)), 1 / bins)
}

/** The least mass of a bin, of one in all: a value in a lighter one would share so few float32 numbers with it that the inverse lost its digits. */
const leastMass = 1e-4
/** Where numbers are cut, so that their powers stay finite: a mass is then already the least against a number of 0. */
const widest = -Math.log(leastMass)

/** Masses from any numbers [batch, d, K]: the softmax of what is left of them on [-9.2, 9.2], mixed with `leastMass` for each bin. */
export function massesOf(g: Builder, raw: Value): Value {
  const powers = g.Exp(g.Clip(raw, -widest, widest))
  const shares = g.Div(powers, g.ReduceSum(powers, [2], { keepdims: 1 }))
  return g.Add(g.Mul(shares, 1 - binsOf(raw) * leastMass), leastMass)
}

/**
 * Widths of bins of equal mass over cells of [0, 1], each a whole number of cells, so that no bin cuts one; a cell heavier than a bin should be
 * begins one.
 * @param cells the mass of each of n cells of width 1 / n
 */
export function equalMassWidths(cells: Float64Array, bins: number): Float32Array {
  const widths = new Float32Array(bins)
  let [at, left] = [0, cells.reduce((sum, share) => sum + share, 0)]
  for (let bin = 0; bin < bins; bin++) {
    const wanted = left / (bins - bin)
    // Every later bin needs a cell too.
    const end = bin === bins - 1 ? cells.length : cells.length - (bins - bin - 1)
    const start = at
    let mass = 0
    do mass += cells[at++]!
    while (at < end && (bin === bins - 1 || (mass < wanted && (mass === 0 || cells[at]! < wanted))))
    widths[bin] = (at - start) / cells.length
    left -= mass
  }
  return widths
}

const binsOf = (masses: Value): number => masses.dims.at(-1) as number

const numbers = (g: Builder, bins: number, of: (k: number, bins: number) => number = place.low): Value =>
  g.Cast(
    Array.from({ length: bins }, (_, k) => of(k, bins)),
    { to: 'float32' },
  )

const sumOverBins = (g: Builder, x: Value): Value => g.ReduceSum(x, [2], { keepdims: 0 })
