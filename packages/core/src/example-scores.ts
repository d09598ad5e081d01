import type { Judge, Judgement } from './calibration.ts'
import { assertNumber } from './empirical.ts'
import { bitsPerDim } from './likelihood.ts'
import type { ModelFacts } from './manifest.ts'

/** All that is told of an example. What cannot be told is null, never NaN. */
export type ExampleScores = {
  /** Nats on the model's data range, the mean over draws. */
  readonly logLikelihood: number
  /** Of that mean; null with one draw. */
  readonly standardError: number | null
  /** Null where the model's data are not pixels, as are the sizes. */
  readonly bitsPerDim: number | null
  readonly compressedBits: number | null
  /** The share of held-out examples of lower likelihood, in percent; null for a bundle without calibration, as is all that follows. */
  readonly percentile: number | null
  readonly scores: Judgement['scores'] | null
  readonly outlier: boolean | null
}

/** What was measured of some examples: arrays of one length. */
export type Measured = {
  readonly logLikelihood: ArrayLike<number>
  readonly standardError: ArrayLike<number>
  readonly compressedBits: ArrayLike<number> | null
}

/**
 * The scores of each example, a function of what was measured of it alone: chunks and shards give what the whole gives.
 * @throws InvalidValueError for a log-likelihood that is not a finite number
 */
export function exampleScores(measured: Measured, { dim, dataRange, pixels }: ModelFacts, judge: Judge | null): ExampleScores[] {
  return Array.from(measured.logLikelihood, (logLikelihood, i) => {
    assertNumber(`log-likelihood of example ${i}`, logLikelihood)
    const compressedBits = measured.compressedBits?.[i] ?? null
    const error = measured.standardError[i]!
    return {
      logLikelihood,
      standardError: Number.isFinite(error) ? error : null,
      bitsPerDim: pixels ? bitsPerDim(logLikelihood, dim, dataRange) : null,
      compressedBits,
      ...(judge?.judge({ logLikelihood, compressedBits }) ?? { percentile: null, scores: null, outlier: null }),
    }
  })
}
