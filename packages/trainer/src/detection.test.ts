import fc from 'fast-check'
import { expect, test } from 'vitest'
import { detection } from './detection.ts'

/** Sums of a few hundred ratios, added in another order. */
const rounding = 1e-12

/** The definitions word for word: every pair, every threshold. */
function bruteForce(ordinary: readonly number[], outliers: readonly number[]): { auroc: number; aupr: number; fpr95: number } {
  const share = (of: readonly number[], which: (score: number) => boolean): number => of.filter(which).length / of.length
  const pairs = outliers.flatMap((out) => ordinary.map((one) => (out > one ? 1 : out === one ? 0.5 : 0)))
  const precision = outliers.map((threshold) => {
    const found = outliers.filter((score) => score >= threshold).length
    return found / (found + ordinary.filter((score) => score >= threshold).length)
  })
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  // The lowest threshold, of the ordinary scores, at or below which 95 % of them lie.
  const threshold = ordinary.toSorted((a, b) => a - b).find((score) => share(ordinary, (one) => one <= score) >= 0.95)!
  return { auroc: mean(pairs), aupr: mean(precision), fpr95: share(outliers, (score) => score <= threshold) }
}

/** Few levels, so that most of them tie. */
const scores = fc.array(fc.oneof(fc.integer({ min: 0, max: 6 }), fc.double({ noNaN: true })), { minLength: 1, maxLength: 60 })

test('AUROC, AUPR and FPR95 are those of every pair and every threshold, ties and all', () => {
  fc.assert(
    fc.property(scores, scores, (ordinary, outliers) => {
      const fast = detection(ordinary, outliers)
      for (const [name, slow] of Object.entries(bruteForce(ordinary, outliers))) {
        expect(Math.abs(fast[name as keyof typeof fast] - slow), name).toBeLessThan(rounding)
      }
    }),
  )
})

// scikit-learn 1.7: roc_auc_score and average_precision_score of y = 0, 0, 1, 1 and 0.1, 0.4, 0.35, 0.8, its documentation's example
test('what scikit-learn gives for its own example', () => {
  const { auroc, aupr } = detection([0.1, 0.4], [0.35, 0.8])
  expect(auroc).toBe(0.75)
  expect(aupr).toBeCloseTo(0.8333333333, 9)
})

test('a score that tells all apart, one that tells nothing and one that tells the wrong way', () => {
  expect(detection([0, 1], [2, 3])).toEqual({ auroc: 1, aupr: 1, fpr95: 0 })
  expect(detection([5, 5], [5, 5])).toEqual({ auroc: 0.5, aupr: 0.5, fpr95: 1 })
  expect(detection([2, 3], [0, 1]).auroc).toBe(0)
})

test('NaN never passes as a score, and neither kind may lack examples', () => {
  expect(() => detection([0, Number.NaN], [1])).toThrow('score 1 of ordinary examples: expected a number, got NaN')
  expect(() => detection([0], [Number.NaN])).toThrow('score 0 of outliers: expected a number, got NaN')
  expect(() => detection([], [1])).toThrow('ordinary examples: expected at least one, got 0')
  expect(() => detection([1], [])).toThrow('outliers: expected at least one, got 0')
})
