import { describe, expect, test } from 'vitest'
import { calibrate, type Evidence, excessBits, judgeBy, scalesOf, scoreNames } from './calibration.ts'
import { exampleScores } from './example-scores.ts'
import type { ModelFacts } from './manifest.ts'
import { normalQuantile } from './quantile.ts'
import { streamKey, uniform } from './random.ts'

const model: ModelFacts = { dim: 100, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: [10, 10] }
const vectors: ModelFacts = { ...model, pixels: false, imageShape: null }

/** Examples whose likelihood falls by 200 nats where their size doubles, and strays by 5 % of the size. */
function drawn(count: number, index: number): Evidence[] {
  const [u, v] = [uniform(streamKey(3, 'probe', index, 0), count), uniform(streamKey(3, 'probe', index, 1), count)]
  return Array.from(u, (draw, i) => {
    const compressedBits = Math.round(Math.exp(Math.log(400) + 0.3 * normalQuantile(draw)))
    const expected = 500 - 200 * Math.log2((1 + compressedBits) / 400)
    return { compressedBits, logLikelihood: expected + 0.05 * compressedBits * normalQuantile(v[i]!) }
  })
}

const columns = (examples: readonly Evidence[]): { logLikelihood: number[]; compressedBits: number[] } => ({
  logLikelihood: examples.map(({ logLikelihood }) => logLikelihood),
  compressedBits: examples.map(({ compressedBits }) => compressedBits!),
})

const held = drawn(4000, 0)
const calibration = calibrate('validation', columns(held), model)

test('the line of likelihood by size is found, and how spread grows with size', () => {
  const { expected, spread } = calibration.bySize!
  // 4000 examples whose sizes vary by 0.3 in the log and whose residuals are 20 nats know the slope to 20 / (0.3 sqrt(4000)) = 1.
  expect(Math.abs(expected.slope + 200 / Math.LN2)).toBeLessThan(4)
  expect(Math.abs(spread.slope - 1)).toBeLessThan(0.3)
})

test('the bits in excess of a code are those under the model less its size', () => {
  expect(excessBits({ logLikelihood: 100 * Math.log(256), compressedBits: 7 }, model)).toBeCloseTo(-7, 9)
  expect(excessBits({ logLikelihood: 0, compressedBits: 300 }, model)).toBeCloseTo(500, 9)
})

describe('p-values', () => {
  const judge = judgeBy(calibration, model)
  const fresh = drawn(4000, 1).map((one) => judge.judge(one))

  test.each(scoreNames)('of %s are uniform over examples like those held out', (name) => {
    const pValues = fresh.map(({ scores }) => scores[name]!.pValue)
    for (const rate of [0.01, 0.05, 0.2, 0.5, 0.9]) {
      const share = pValues.filter((p) => p <= rate).length / pValues.length
      // Five standard deviations of a share of 4000, against quantiles of other 4000.
      expect(Math.abs(share - rate), String(rate)).toBeLessThan(5 * Math.sqrt((2 * rate * (1 - rate)) / 4000))
    }
    expect(Math.min(...pValues)).toBeGreaterThanOrEqual(1 / 4001)
    expect(Math.max(...pValues)).toBeLessThanOrEqual(1)
  })

  test('as many examples are called outliers as may be, whatever the rate', () => {
    for (const rate of [0.01, 0.05, 0.2]) {
      const { judge: at, recommended } = judgeBy(calibration, model, rate)
      expect(recommended).toBe('rarity')
      const share = drawn(4000, 2).filter((one) => at(one).outlier).length / 4000
      expect(Math.abs(share - rate)).toBeLessThan(5 * Math.sqrt((2 * rate * (1 - rate)) / 4000))
    }
  })

  test('the threshold parts outliers from the others', () => {
    const { threshold } = judge
    for (const { scores, outlier } of fresh) expect(scores.rarity!.score >= threshold).toBe(outlier)
  })
})

describe('what each score sees', () => {
  const { judge } = judgeBy(calibration, model, 0.01)
  const usual = { compressedBits: 400, logLikelihood: 500 }

  test('an ordinary example is one by all', () => {
    const { scores, outlier } = judge(usual)
    expect(outlier).toBe(false)
    for (const name of scoreNames) expect(scores[name]!.pValue, name).toBeGreaterThan(0.2)
  })

  test('a simple example of the likelihood that complex ones have: only for its size', () => {
    const { scores, outlier } = judge({ compressedBits: 200, logLikelihood: 500 })
    expect(scores.logLikelihood!.pValue).toBeGreaterThan(0.2)
    expect(scores.typicality!.pValue).toBeGreaterThan(0.2)
    expect(scores.rarity!.pValue).toBeLessThan(0.001)
    expect(outlier).toBe(true)
  })

  test('a likelihood far too high: by all but the likelihood itself', () => {
    const { scores, percentile } = judge({ compressedBits: 20, logLikelihood: 3000 })
    expect(percentile).toBe(100)
    expect(scores.logLikelihood!.pValue).toBe(1)
    expect(scores.typicality!.pValue).toBeLessThan(0.001)
    expect(scores.rarity!.pValue).toBeLessThan(0.001)
  })

  test('typicality is two-sided: as far above the mean as below', () => {
    const { typicality } = scalesOf(calibration, model)
    const mean = held.reduce((sum, { logLikelihood }) => sum + logLikelihood, 0) / held.length
    const at = (logLikelihood: number): number => typicality!.of({ logLikelihood, compressedBits: 400 })
    // The mean of the quantiles is that of the examples to within their bins.
    expect(Math.abs(at(mean + 100) - 100)).toBeLessThan(1)
    expect(Math.abs(at(mean - 100) - 100)).toBeLessThan(1)
  })
})

test('data that are no pixels, and older bundles, are judged by typicality', () => {
  const { logLikelihood } = columns(held)
  const bare = calibrate('validation', { logLikelihood, compressedBits: null }, vectors)
  expect(bare).not.toHaveProperty('bySize')
  const { recommended, judge, threshold } = judgeBy(bare, vectors, 0.1)
  expect(recommended).toBe('typicality')
  const judged = logLikelihood.map((nats) => judge({ logLikelihood: nats, compressedBits: null }))
  expect(Object.keys(judged[0]!.scores)).toEqual(['logLikelihood', 'typicality'])
  expect(Math.abs(judged.filter(({ outlier }) => outlier).length / 4000 - 0.1)).toBeLessThan(0.01)
  for (const { scores, outlier } of judged) expect(scores.typicality!.score >= threshold).toBe(outlier)
})

test('examples alike in size and likelihood still make a calibration', () => {
  const same = Array.from({ length: 30 }, (): Evidence => ({ logLikelihood: 5, compressedBits: 80 }))
  const { judge } = judgeBy(calibrate('test', columns(same), model), model)
  expect(judge(same[0]!).outlier).toBe(false)
  expect(judge({ logLikelihood: 4, compressedBits: 80 }).outlier).toBe(true)
})

test('NaN never passes as a score', () => {
  const { judge } = judgeBy(calibration, model)
  for (const nats of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(() => judge({ logLikelihood: nats, compressedBits: 400 })).toThrow(`log-likelihood: expected a finite number, got ${nats}`)
    expect(() => calibrate('test', { logLikelihood: [1, nats] }, model)).toThrow(`expected a finite number, got ${nats}`)
    const measured = { logLikelihood: [1, nats], standardError: [0, 0], compressedBits: null }
    expect(() => exampleScores(measured, model, null)).toThrow(`log-likelihood of example 1: expected a finite number, got ${nats}`)
  }
  expect(() => calibrate('test', { logLikelihood: [] }, model)).toThrow('expected at least one, got 0')
})

test.each([0, -0.1, 1, Number.NaN, 1e-6])('a false-positive rate of %d is refused: the held-out examples cannot tell it', (rate) => {
  expect(() => judgeBy(calibration, model, rate)).toThrow(
    `false-positive rate: expected from 0.00025 (one in 4000 held-out examples) to less than 1, got ${rate}`,
  )
})

test('the rate that is not given is 5 %, or the least that so few held-out examples can tell', () => {
  expect(judgeBy(calibration, model).falsePositiveRate).toBe(0.05)
  expect(judgeBy(calibrate('test', columns(held.slice(0, 4)), model), model).falsePositiveRate).toBe(0.2)
})

test('the scores of an example are its own, whatever chunk it is in; what is not known is null', () => {
  const judge = judgeBy(calibration, model)
  const examples = drawn(20, 5)
  const measured = { ...columns(examples), standardError: examples.map(() => Number.NaN) }
  const whole = exampleScores(measured, model, judge)
  expect(examples.flatMap((one) => exampleScores({ ...columns([one]), standardError: [Number.NaN] }, model, judge))).toEqual(whole)
  expect(whole[0]!.standardError).toBeNull()
  expect(exampleScores({ logLikelihood: [1], standardError: [0.5], compressedBits: null }, vectors, null)).toEqual([
    { logLikelihood: 1, standardError: 0.5, bitsPerDim: null, compressedBits: null, percentile: null, scores: null, outlier: null },
  ])
})
