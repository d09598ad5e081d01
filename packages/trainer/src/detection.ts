import { InvalidValueError } from '@niceflow/core'

/** How well a score tells outliers from ordinary examples, whatever threshold is laid. */
export type Detection = {
  /** The probability that an outlier scores more than an ordinary example, ties counting half (Hanley and McNeil 1982): 0.5 is chance. */
  readonly auroc: number
  /** Average precision, outliers the class that is sought: the mean, over outliers, of the share of outliers among all that score as much. */
  readonly aupr: number
  /** The share of outliers that pass for ordinary where 95 % of the ordinary do (Hendrycks and Gimpel 2017, and those after them). */
  readonly fpr95: number
}

/** The share of ordinary examples that `fpr95` keeps. */
const kept = 0.95

/**
 * Measures a score on examples of both kinds; it should be higher for outliers.
 * @throws InvalidValueError for none of a kind, or a score that is NaN
 */
export function detection(ordinary: ArrayLike<number>, outliers: ArrayLike<number>): Detection {
  for (const [what, scores] of Object.entries({ 'ordinary examples': ordinary, outliers })) {
    if (scores.length === 0) throw new InvalidValueError({ what, expected: 'at least one', got: 0 })
    for (let i = 0; i < scores.length; i++) {
      if (Number.isNaN(scores[i])) throw new InvalidValueError({ what: `score ${i} of ${what}`, expected: 'a number', got: scores[i] })
    }
  }
  const [low, high] = [Float64Array.from(ordinary).sort(), Float64Array.from(outliers).sort()]
  let [wins, precisions] = [0, 0]
  // From the highest score down; those that tie are taken at once.
  let [lower, upper] = [low.length, high.length]
  while (upper > 0) {
    const score = high[upper - 1]!
    while (lower > 0 && low[lower - 1]! > score) lower--
    const above = lower
    while (lower > 0 && low[lower - 1] === score) lower--
    const before = upper
    while (upper > 0 && high[upper - 1] === score) upper--
    wins += (before - upper) * (lower + (above - lower) / 2)
    const found = high.length - upper
    precisions += (before - upper) * (found / (found + low.length - lower))
  }
  const threshold = low[Math.ceil(kept * low.length) - 1]!
  const passed = high.findIndex((score) => score > threshold)
  return {
    auroc: wins / (low.length * high.length),
    aupr: precisions / high.length,
    fpr95: (passed < 0 ? high.length : passed) / high.length,
  }
}
