import {
  bitsPerDim,
  type Calibration,
  calibrate,
  dequantize,
  type Evaluation,
  InvalidValueError,
  type Manifest,
  type ModelFacts,
  meanAndError,
  rows,
  type Selection,
  type StorageCost,
  type StorageType,
} from '@niceflow/core'
import { type Dataset, type SplitName, selectSplit } from '@niceflow/data'
import { codeSizes } from '@niceflow/formats'
import type { Flow } from '@niceflow/runtime'
import { recipeOf } from './config.ts'

/**
 * A split of a dataset for the model of a bundle. Training and validation examples are those of its own run, held out by its seed; so they
 * are of the data that it was trained on.
 * @throws InvalidValueError for data of another size, or a split of other data than the model's
 */
export function selectFor(manifest: Manifest, dataset: Dataset, split: SplitName): Selection {
  const { model, provenance } = manifest
  const what = `dataset ${dataset.name}`
  if (dataset.dim !== model.dim)
    throw new InvalidValueError({ what, expected: `${model.dim} dimensions, like ${manifest.name}`, got: dataset.dim })
  if (split === 'test') return selectSplit(dataset, split, { validation: 0, seed: 0 })
  if (dataset.sha256 !== provenance.datasetSha256) {
    const expected = `the data that ${manifest.name} was trained on (${provenance.dataset}), to know its ${split} split`
    throw new InvalidValueError({
      what,
      expected,
      got: `other data (SHA-256 ${dataset.sha256.slice(0, 12)}…)`,
      remedy: 'use the test split',
    })
  }
  const { training } = recipeOf(manifest)
  const seen = rows(dataset.train, 0, provenance.trainingExamples + training.validation)
  return selectSplit({ train: seen, test: dataset.test }, split, training)
}

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
export async function scoreSelection(
  flow: Flow,
  { examples, indices }: Selection,
  { draws = 1, seed = 0, onProgress }: ScoreOptions = {},
): Promise<Float64Array> {
  const { dataRange: range, dequantization, pixels } = flow.manifest.model
  const repeats = pixels ? draws : 1
  const scores = new Float64Array(indices.length)
  for (let draw = 0; draw < repeats; draw++) {
    for (let start = 0; start < indices.length; start += chunk) {
      const taken = indices.subarray(start, start + chunk)
      const { logLikelihood } = await flow.score(dequantize(examples, taken, { seed, draw, range, dequantization }))
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
  return {
    split,
    examples: scores.length,
    draws: pixels ? draws : 1,
    seed,
    logLikelihood,
    bitsPerDim: pixels ? bitsPerDim(logLikelihood.mean, dim, dataRange) : null,
  }
}

/** The sizes of the selected examples' lossless codes, bits; null where the model's data are not pixels. */
export function selectionSizes(model: ModelFacts, { examples, indices }: Selection): Float64Array | null {
  return model.pixels ? Float64Array.from(indices, (index) => codeSizes(rows(examples, index, index + 1), model)![0]!) : null
}

/** What held-out examples score, beside the sizes of their codes: the yardstick for a new example. */
export function calibrateOn(model: ModelFacts, split: string, selection: Selection, logLikelihood: Float64Array): Calibration {
  return calibrate(split, { logLikelihood, compressedBits: selectionSizes(model, selection) }, model)
}

/**
 * What storing weights costs, by the scores of the same examples with the same draws; undefined for fewer than two, which tell no error.
 * @param exact the scores of the run's own float32 parameters
 */
export function storageCost(
  split: string,
  exact: Float64Array,
  scores: { readonly [D in StorageType]?: Float64Array },
): StorageCost | undefined {
  if (exact.length < 2) return undefined
  const lost = (stored: Float64Array): Float64Array => exact.map((nats, i) => nats - stored[i]!)
  return {
    split,
    examples: exact.length,
    nats: Object.fromEntries(Object.entries(scores).map(([dtype, stored]) => [dtype, meanAndError(lost(stored))])),
  }
}
