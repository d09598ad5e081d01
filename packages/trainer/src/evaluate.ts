import { bitsPerDim, type Calibration, type Evaluation, meanAndError } from '@niceflow/core'
import { dequantize, type Selection } from '@niceflow/data'
import type { Flow } from '@niceflow/runtime'

export type ScoreOptions = {
  /** Dequantisation draws averaged for each example; floats are not drawn, and take one. @default 1 */
  readonly draws?: number
  /** @default 0 */
  readonly seed?: number
  /** Hears how many of all the rows to score are done. */
  readonly onProgress?: (done: number, total: number) => void
}

/** Rows in memory at once. */
const chunk = 1024

/**
 * log p(x) of each selected example, nats on the model's data range: the mean over its draws, keyed by the example's index in its array.
 * @throws NonFiniteLikelihoodError
 */
export async function scoreSelection(flow: Flow, { examples, indices }: Selection, { draws = 1, seed = 0, onProgress }: ScoreOptions = {}): Promise<Float64Array> {
  const { dataRange: range, pixels } = flow.manifest.model
  const repeats = pixels ? draws : 1
  const scores = new Float64Array(indices.length)
  for (let draw = 0; draw < repeats; draw++) {
    for (let start = 0; start < indices.length; start += chunk) {
      const taken = indices.subarray(start, start + chunk)
      const { logLikelihood } = await flow.score(dequantize(examples, taken, { seed, draw, range }))
      for (let i = 0; i < taken.length; i++) scores[start + i]! += logLikelihood[i]! / repeats
      onProgress?.(draw * indices.length + start + taken.length, repeats * indices.length)
    }
  }
  return scores
}

/** The mean log-likelihood of scored examples, with its standard error over examples. */
export function summarize(flow: Flow, split: string, scores: Float64Array, { draws = 1, seed = 0 }: ScoreOptions = {}): Evaluation {
  const { dim, dataRange, pixels } = flow.manifest.model
  const logLikelihood = meanAndError(scores)
  return { split, examples: scores.length, draws: pixels ? draws : 1, seed, logLikelihood, bitsPerDim: pixels ? bitsPerDim(logLikelihood.mean, dim, dataRange) : null }
}

/** The probabilities whose quantiles a bundle keeps. */
const probabilities = [0, 0.001, 0.01, 0.02, 0.05, ...Array.from({ length: 17 }, (_, i) => (i + 2) / 20), 0.95, 0.98, 0.99, 0.999, 1]

/** What held-out examples score, as quantiles (linear between order statistics): the yardstick for a new example's score. */
export function calibrate(split: string, scores: Float64Array): Calibration {
  const sorted = Float64Array.from(scores).sort()
  const quantile = (p: number): number => {
    const at = p * (sorted.length - 1)
    const low = Math.floor(at)
    return sorted[low]! + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)]! - sorted[low]!)
  }
  return { split, examples: sorted.length, quantiles: [...new Set(probabilities)].map((p) => [p, quantile(p)] as const) }
}
