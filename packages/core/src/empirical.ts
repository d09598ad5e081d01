import { InvalidValueError } from './error.ts'

/** A distribution of numbers seen, as rising pairs of a probability and the value below which that share of them lies. */
export type Quantiles = readonly (readonly [probability: number, value: number])[]

/** The probabilities whose quantiles are kept. */
const probabilities = [0, 0.001, 0.01, 0.02, 0.05, ...Array.from({ length: 17 }, (_, i) => (i + 2) / 20), 0.95, 0.98, 0.99, 0.999, 1]

/** No bin of a density is narrower than this share of the whole range: ties would make it infinite. */
const narrowest = 1e-3

/**
 * The distribution of some values, quantiles linear between order statistics.
 * @throws InvalidValueError for no values, or one that is not finite
 */
export function quantilesOf(values: ArrayLike<number>): Quantiles {
  const sorted = Float64Array.from(values).sort()
  if (sorted.length === 0) throw new InvalidValueError({ what: 'values of a distribution', expected: 'at least one', got: 0 })
  for (const value of sorted) assertNumber('value of a distribution', value)
  const quantile = (p: number): number => {
    const at = p * (sorted.length - 1)
    const low = Math.floor(at)
    return sorted[low]! + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)]! - sorted[low]!)
  }
  return [...new Set(probabilities)].map((p) => [p, quantile(p)] as const)
}

/**
 * The share of a distribution up to `value`, 0 to 1: linear between its quantiles.
 * @throws InvalidValueError for NaN, which is neither below nor above anything
 */
export function shareBelow(quantiles: Quantiles, value: number): number {
  return shareBefore(quantiles, value, false)
}

/**
 * The share of a distribution from `value` on: with the share up to it 1 or, where some are equal to it, more.
 * @throws InvalidValueError for NaN
 */
export function shareFrom(quantiles: Quantiles, value: number): number {
  return 1 - shareBefore(quantiles, value, true)
}

/** The share up to the first quantile beyond `value`, or, where `equal`, not below it. */
function shareBefore(quantiles: Quantiles, value: number, equal: boolean): number {
  if (Number.isNaN(value)) throw new InvalidValueError({ what: 'value to compare', expected: 'a number', got: value })
  let above = 0
  while (above < quantiles.length && (equal ? quantiles[above]![1] < value : quantiles[above]![1] <= value)) above++
  if (above === quantiles.length) return 1
  if (above === 0) return 0
  const [[lowShare, low], [highShare, high]] = [quantiles[above - 1]!, quantiles[above]!]
  return lowShare + ((value - low) / (high - low)) * (highShare - lowShare)
}

/** The mean of the distribution that quantiles describe, uniform between one and the next. */
export function meanOf(quantiles: Quantiles): number {
  return pairs(quantiles).reduce((sum, [[p, low], [q, high]]) => sum + (q - p) * (low + (high - low) / 2), 0)
}

/**
 * The log-density of the distribution that quantiles describe: at the middle of each bin the log of its share over its width, linear
 * between the middles, and falling beyond them as it falls at the ends, like an exponential. So it tells a value far outside from one
 * farther still.
 */
export function logDensityOf(quantiles: Quantiles): (value: number) => number {
  const range = quantiles.at(-1)![1] - quantiles[0]![1] || 1
  const knots = pairs(quantiles).map(([[p, low], [q, high]]) => {
    return [low + (high - low) / 2, Math.log((q - p) / Math.max(high - low, narrowest * range))] as const
  })
  const middles = knots.filter(([at], i) => i === 0 || at > knots[i - 1]![0])
  // By a factor of e over the range at the least: a tail always falls.
  const fall = (end: number, next: number): number => {
    const [[at, here], [inner, there]] = [middles.at(end)!, middles.at(next) ?? middles.at(end)!]
    return Math.max(1 / range, at === inner ? 0 : (there - here) / Math.abs(inner - at))
  }
  const falls = { left: fall(0, 1), right: fall(-1, -2) }
  const [first, last] = [middles[0]!, middles.at(-1)!]
  return (value) => {
    let above = 0
    while (above < middles.length && middles[above]![0] <= value) above++
    if (above === 0) return first[1] - falls.left * (first[0] - value)
    if (above === middles.length) return last[1] - falls.right * (value - last[0])
    const [[low, lowLog], [high, highLog]] = [middles[above - 1]!, middles[above]!]
    return lowLog + ((value - low) / (high - low)) * (highLog - lowLog)
  }
}

/** @throws InvalidValueError for NaN and the infinities, which never pass as a score */
export function assertNumber(what: string, value: number): void {
  if (!Number.isFinite(value)) throw new InvalidValueError({ what, expected: 'a finite number', got: value })
}

function pairs(quantiles: Quantiles): (readonly [Quantiles[number], Quantiles[number]])[] {
  return quantiles.slice(1).map((quantile, i) => [quantiles[i]!, quantile] as const)
}
