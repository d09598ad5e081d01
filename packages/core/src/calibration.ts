import { assertNumber, logDensityOf, meanOf, type Quantiles, quantilesOf, shareBelow, shareFrom } from './empirical.ts'
import { InvalidValueError } from './error.ts'
import { cellWidth } from './likelihood.ts'
import type { Calibration, Line, ModelFacts, SizeCalibration } from './manifest.ts'

/** What is known of an example before it is compared with others: nats on the model's data range, and the size of its lossless code. */
export type Evidence = {
  readonly logLikelihood: number
  /** Null where the data are not pixels. */
  readonly compressedBits: number | null
}

/**
 * The bits that a model spends on the pixels of an example beyond those of a general lossless code: high for what the model does not know, as
 * simple as it may be (Serra et al. 2020, "Input complexity and out-of-distribution detection with likelihood-based generative models").
 */
export function excessBits({ logLikelihood, compressedBits }: Evidence, { dim, dataRange }: ModelFacts): number {
  return -(logLikelihood + dim * Math.log(cellWidth(dataRange))) / Math.LN2 - compressedBits!
}

/**
 * What held-out examples score: the yardstick for a new example.
 * @param compressedBits their sizes, where the data are pixels
 * @throws InvalidValueError for no examples, or a number that is not finite
 */
export function calibrate(
  split: string,
  { logLikelihood, compressedBits }: { readonly logLikelihood: ArrayLike<number>; readonly compressedBits?: ArrayLike<number> | null },
  model: ModelFacts,
): Calibration {
  const quantiles = quantilesOf(logLikelihood)
  const examples = logLikelihood.length
  if (!compressedBits || !model.pixels) return { split, examples, quantiles }
  const seen = Array.from(logLikelihood, (nats, i): Evidence => ({ logLikelihood: nats, compressedBits: compressedBits[i]! }))
  const bits = quantilesOf(compressedBits)
  const fitted = fitBySize(seen)
  const deviation = quantilesOf(seen.map((one) => deviationOf(one, fitted)))
  const rarity = rarityBy({ ...fitted, bits, deviation })
  return {
    split,
    examples,
    quantiles,
    bySize: {
      bits,
      excess: quantilesOf(seen.map((one) => excessBits(one, model))),
      ...fitted,
      deviation,
      rarity: quantilesOf(seen.map(rarity)),
    },
  }
}

type BySize = Pick<SizeCalibration, 'expected' | 'spread'>

/**
 * The log-likelihood that examples of a size have, and how far they stray from it: least squares of nats on the log of the size, then of
 * the log of the residuals' magnitudes on the same (Harvey 1976, "Estimating regression models with multiplicative heteroscedasticity").
 */
function fitBySize(seen: readonly Evidence[]): BySize {
  const sizes = seen.map(logSize)
  const expected = leastSquares(
    sizes,
    seen.map(({ logLikelihood }) => logLikelihood),
  )
  const residuals = seen.map((one, i) => Math.abs(one.logLikelihood - at(expected, sizes[i]!)))
  // A residual of nothing has no log; one of a hundredth of the usual is as good as nothing.
  const least = residuals.reduce((sum, residual) => sum + residual, 0) / residuals.length / 100 || 1
  return {
    expected,
    spread: leastSquares(
      sizes,
      residuals.map((residual) => Math.log(residual + least)),
    ),
  }
}

function logSize({ compressedBits }: Evidence): number {
  return Math.log1p(compressedBits!)
}

function at({ intercept, slope }: Line, x: number): number {
  return intercept + slope * x
}

function leastSquares(x: readonly number[], y: readonly number[]): Line {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanX, meanY] = [mean(x), mean(y)]
  const squares = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0)
  const slope = squares > 0 ? x.reduce((sum, value, i) => sum + (value - meanX) * (y[i]! - meanY), 0) / squares : 0
  return { intercept: meanY - slope * meanX, slope }
}

/** How far a log-likelihood is from what examples of its size have, in units of how far they stray. */
function deviationOf(one: Evidence, { expected, spread }: BySize): number {
  return (one.logLikelihood - at(expected, logSize(one))) / Math.exp(at(spread, logSize(one)))
}

/**
 * How rare an example's size is among held-out ones, and its likelihood among those of its size: minus the log of their densities. Both tails
 * count, each as far as held-out examples leave it empty ("density of states": Morningstar et al. 2021).
 */
function rarityBy({ bits, deviation, ...fitted }: BySize & Pick<SizeCalibration, 'bits' | 'deviation'>): (one: Evidence) => number {
  const [ofDeviation, ofSize] = [logDensityOf(deviation), logDensityOf(bits)]
  return (one) => -ofDeviation(deviationOf(one, fitted)) - ofSize(one.compressedBits!)
}

/** The scores that tell outliers from what a model knows; each rises with how much of an outlier an example is. */
export const scoreNames = ['logLikelihood', 'typicality', 'excess', 'rarity'] as const
export type ScoreName = (typeof scoreNames)[number]

type Scale = {
  /** The score of an example: the higher, the more of an outlier. */
  readonly of: (one: Evidence) => number
  /** The share of held-out examples that score as much or more. */
  readonly beyond: (score: number) => number
}

/** How each score is read; only those that a calibration has. */
export type Scales = { readonly [S in ScoreName]?: Scale }

/** The scores that a calibration can judge: all for pixels, those of the likelihood alone for other data and in bundles of older versions. */
export function scalesOf({ quantiles, bySize }: Calibration, model: ModelFacts): Scales {
  const mean = meanOf(quantiles)
  const table = (of: Scale['of'], held: Quantiles): Scale => ({ of, beyond: (score) => shareFrom(held, score) })
  return {
    logLikelihood: { of: ({ logLikelihood }) => -logLikelihood, beyond: (score) => shareBelow(quantiles, -score) },
    typicality: {
      of: ({ logLikelihood }) => Math.abs(logLikelihood - mean),
      beyond: (score) => shareBelow(quantiles, mean - score) + shareFrom(quantiles, mean + score),
    },
    ...(bySize && {
      excess: table((one) => excessBits(one, model), bySize.excess),
      rarity: table(rarityBy(bySize), bySize.rarity),
    }),
  }
}

/** A score of one example, and the share of held-out examples that are as much of an outlier: small for outliers, uniform for the others. */
export type Judged = { readonly score: number; readonly pValue: number }

/** What an example's scores come to. */
export type Judgement = {
  /** The share of held-out examples of lower likelihood, in percent. */
  readonly percentile: number
  readonly scores: { readonly [S in ScoreName]?: Judged }
  /** By the recommended score. */
  readonly outlier: boolean
}

export type Judge = {
  /** Whether it takes the sizes of examples' codes. */
  readonly bySize: boolean
  /** Which score decides. */
  readonly recommended: ScoreName
  readonly falsePositiveRate: number
  /** The value of that score from which on an example is called an outlier. */
  readonly threshold: number
  /** @throws InvalidValueError for a log-likelihood that is not a finite number */
  readonly judge: (one: Evidence) => Judgement
}

/** The share of ordinary examples that may be called outliers, where none is given. */
const usualRate = 0.05

/**
 * Judges examples by a calibration. The p-value of a score is (1 + how many of n held-out examples score as much or more) / (n + 1), which for an
 * example like them is small no more often than it says, whatever the score (Bates et al. 2023, "Testing for outliers with conformal p-values").
 * @param rate the share of ordinary examples that may be called outliers; 0.05 or, where held-out examples are too few for it, the least they can tell
 * @throws InvalidValueError (usage) for a rate that the held-out examples are too few to tell
 */
export function judgeBy(calibration: Calibration, model: ModelFacts, rate?: number): Judge {
  const { examples } = calibration
  const least = 1 / (examples + 1)
  const falsePositiveRate = rate ?? Math.max(usualRate, least)
  if (!(falsePositiveRate >= least && falsePositiveRate < 1)) {
    const expected = `from ${least.toPrecision(2)} (one in ${examples} held-out examples) to less than 1`
    throw new InvalidValueError({ what: 'false-positive rate', expected, got: falsePositiveRate, usage: true })
  }
  const scales = scalesOf(calibration, model)
  const named = Object.entries(scales) as [ScoreName, Scale][]
  const recommended: ScoreName = scales.rarity ? 'rarity' : 'typicality'
  const pValue = ({ beyond }: Scale, score: number): number => Math.min(1, (1 + examples * beyond(score)) / (examples + 1))
  return {
    bySize: calibration.bySize !== undefined,
    recommended,
    falsePositiveRate,
    threshold: leastWith((score) => pValue(scales[recommended]!, score) <= falsePositiveRate),
    judge(one) {
      assertNumber('log-likelihood', one.logLikelihood)
      const scores: { [S in ScoreName]?: Judged } = {}
      for (const [name, scale] of named) {
        const score = scale.of(one)
        scores[name] = { score, pValue: pValue(scale, score) }
      }
      const percentile = 100 * shareBelow(calibration.quantiles, one.logLikelihood)
      return { percentile, scores, outlier: scores[recommended]!.pValue <= falsePositiveRate }
    },
  }
}

/** The least number from which on `holds`, by bisection to the last bit; it must hold somewhere, and from there on. */
function leastWith(holds: (value: number) => boolean): number {
  let [low, high] = [-1, 1]
  while (holds(low)) low *= 2
  while (!holds(high)) high *= 2
  for (;;) {
    const middle = low + (high - low) / 2
    if (middle <= low || middle >= high) return high
    if (holds(middle)) high = middle
    else low = middle
  }
}
