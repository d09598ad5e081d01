import {
  type Evidence,
  InvalidValueError,
  type Judge,
  judgeBy,
  rows,
  type ScoreName,
  type Selection,
  scalesOf,
  scoreNames,
  type Tensor,
  tensor,
} from '@niceflow/core'
import { findEntry, hardImages, hardSets, loadDataset } from '@niceflow/data'
import type { Flow } from '@niceflow/runtime'
import { type Detection, detection, type ScoreOptions, scoreSelection, selectFor, selectionSizes } from '@niceflow/trainer'
import { readExamples } from './examples.ts'
import { countProgress } from './progress.ts'

/** Examples by a name, that a model may or may not know. */
export type NamedSelection = { readonly name: string; readonly selection: Selection }

/** The scores of a set, each the higher the more of an outlier an example is, and the share that the judge calls outliers. */
export type SetScores = NamedSelection & { readonly scores: { readonly [S in ScoreName]?: Float64Array }; readonly called: number }

/** How well each score tells a set from the examples that a model is judged by. */
export type SetFigures = {
  readonly name: string
  readonly examples: number
  /** The share of them that the recommended score calls outliers at the false-positive rate. */
  readonly called: number
  readonly scores: { readonly [S in ScoreName]?: Detection }
}

export type Outliers = {
  readonly known: SetScores
  readonly others: readonly SetScores[]
  readonly figures: Pick<Judge, 'recommended' | 'falsePositiveRate' | 'threshold'> & {
    /** The share of the known examples that are called outliers. */
    readonly called: number
    readonly sets: readonly SetFigures[]
    /** The set that the recommended score tells worst. */
    readonly worst: string
  }
}

/** The word for all hard sets. */
export const allHardSets = 'all'

export type OutlierOptions = ScoreOptions & { readonly falsePositiveRate?: number | undefined; readonly dataDir?: string | undefined }

/**
 * Scores other examples beside known ones.
 * @param others names of sets; `all` stands for every hard one
 * @throws InvalidValueError for a bundle without calibration, or a set that is not the model's
 */
export async function measureOutliers(
  flow: Flow,
  { nats, ...known }: NamedSelection & { readonly nats: Float64Array },
  others: readonly string[],
  { falsePositiveRate, dataDir, ...options }: OutlierOptions,
): Promise<Outliers> {
  const { calibration, model, name: bundle } = flow.manifest
  if (!calibration) {
    const remedy = 'record one: niceflow eval BUNDLE --dataset D --split S --record'
    throw new InvalidValueError({ what: `calibration of ${bundle}`, expected: 'held-out scores to judge by', got: 'none', remedy })
  }
  const judge = judgeBy(calibration, model, falsePositiveRate)
  const names = [...new Set(others.flatMap((other) => (other === allHardSets ? Object.keys(hardSets) : [other])))]
  const scoredKnown = scoresOf(flow, judge, known, nats)
  const scored: SetScores[] = []
  for (const name of names) {
    const selection = await otherExamples(flow, name, known.selection, dataDir)
    const onProgress = countProgress(`scoring ${name}: example`)
    scored.push(scoresOf(flow, judge, { name, selection }, await scoreSelection(flow, selection, { ...options, onProgress })))
  }
  const sets = scored.map((set) => figuresOf(scoredKnown, set))
  const { recommended, threshold, falsePositiveRate: rate } = judge
  const worst = sets.reduce((least, set) => (set.scores[recommended]!.auroc < least.scores[recommended]!.auroc ? set : least))
  const figures = { recommended, falsePositiveRate: rate, threshold, called: scoredKnown.called, sets, worst: worst.name }
  return { known: scoredKnown, others: scored, figures }
}

/**
 * The examples of a set: a hard one, made of the examples that it is compared with; a dataset's test split; or those of files.
 * @throws InvalidValueError for data that are not the model's, or no hard set can be made of
 */
async function otherExamples(flow: Flow, name: string, known: Selection, dataDir: string | undefined): Promise<Selection> {
  const { manifest } = flow
  if (Object.hasOwn(hardSets, name)) return whole(await hardImages(name, pixelsOf(known), manifest.model.imageShape))
  if (findEntry(name)) return selectFor(manifest, await loadDataset(name, { dir: dataDir }), 'test')
  const parts: Tensor<'uint8' | 'float32'>[] = []
  for await (const { x } of readExamples([name], manifest.model, { resize: manifest.provenance.preparation?.resize })) parts.push(x)
  return whole(joined(name, parts))
}

function scoresOf({ manifest: { model, calibration } }: Flow, judge: Judge, set: NamedSelection, nats: Float64Array): SetScores {
  const sizes = selectionSizes(model, set.selection)
  const evidence = Array.from(nats, (logLikelihood, i): Evidence => ({ logLikelihood, compressedBits: sizes?.[i] ?? null }))
  const scales = scalesOf(calibration!, model)
  const scores = Object.fromEntries(Object.entries(scales).map(([name, { of }]) => [name, Float64Array.from(evidence, of)]))
  return { ...set, scores, called: evidence.filter((one) => judge.judge(one).outlier).length / evidence.length }
}

function figuresOf(known: SetScores, { name, selection, called, scores }: SetScores): SetFigures {
  const measured = scoreNames.flatMap((score) => (scores[score] ? [[score, detection(known.scores[score]!, scores[score])]] : []))
  return { name, examples: selection.indices.length, called, scores: Object.fromEntries(measured) }
}

function whole(examples: Tensor<'uint8' | 'float32'>): Selection {
  return { examples, indices: Uint32Array.from({ length: examples.dims[0]! }, (_, i) => i) }
}

/** The selected pixels, one after another. */
function pixelsOf({ examples, indices }: Selection): Tensor<'uint8'> {
  if (examples.dtype !== 'uint8')
    throw new InvalidValueError({ what: 'hard sets', expected: 'pixels to make them of', got: examples.dtype })
  const dim = examples.dims[1]!
  const taken = tensor('uint8', [indices.length, dim])
  for (const [i, index] of indices.entries()) taken.data.set(rows(examples, index, index + 1).data, i * dim)
  return taken
}

function joined(name: string, parts: readonly Tensor<'uint8' | 'float32'>[]): Tensor<'uint8' | 'float32'> {
  const { dtype, dims } = parts[0]!
  const other = parts.find((part) => part.dtype !== dtype)
  if (other) throw new InvalidValueError({ what: `set ${name}`, expected: `${dtype} alone, as in its first file`, got: other.dtype })
  const all = tensor(dtype, [parts.reduce((sum, part) => sum + part.dims[0]!, 0), dims[1]!])
  let at = 0
  for (const { data } of parts) {
    all.data.set(data, at)
    at += data.length
  }
  return all
}
