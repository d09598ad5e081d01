import { extname } from 'node:path'
import { InvalidValueError, quantizePixels, rows, type ScoreName, scoreNames } from '@niceflow/core'
import { writePng } from '@niceflow/formats'
import { type Histogram, histograms, imageGrid } from '@niceflow/report'
import type { Flow } from '@niceflow/runtime'
import { writeAtomic } from '@niceflow/trainer'
import type { Outliers } from './ood.ts'
import { number, table } from './text.ts'

/** What each score is, in words. */
const inWords: Readonly<Record<ScoreName, string>> = {
  logLikelihood: 'minus the log-likelihood, nats',
  typicality: '|log-likelihood - held-out mean|, nats',
  excess: 'bits under the model less those of a lossless code',
  rarity: 'rarity of likelihood and size among held-out examples, nats',
}

/** Images of each set that a picture shows. */
const shown = 16

/** @throws InvalidValueError (usage) for a file of another kind */
export function assertPicture(flag: string, file: string | undefined, ending: string): void {
  if (file === undefined || extname(file).toLowerCase() === ending) return
  throw new InvalidValueError({ what: `--${flag}`, expected: `a file ending in ${ending}`, got: file, usage: true })
}

/** A row for each set and score, the worst set named. */
export function outlierText({ known, figures: { recommended, falsePositiveRate, called, sets, worst } }: Outliers): string {
  const percent = (share: number): string => `${number(100 * share, 1)} %`
  const cells = sets.flatMap(({ name, examples, scores, called: found }) =>
    scoreNames.flatMap((score) => {
      const figures = scores[score]
      if (!figures) return []
      const { auroc, aupr, fpr95 } = figures
      const verdict = score === recommended ? percent(found) : ''
      return [[name, number(examples), score, number(auroc, 4), number(aupr, 4), percent(fpr95), verdict]]
    }),
  )
  return [
    table([['set', 'examples', 'score', 'AUROC', 'AUPR', 'FPR95', 'called outliers'], ...cells], [2]),
    `recommended: ${recommended}; at a false-positive rate of ${falsePositiveRate} it calls ${percent(called)} of ${known.name} outliers; told worst: ${worst}`,
  ].join('\n')
}

/** Writes the pictures that are asked for. */
export async function writePictures(
  flow: Flow,
  outliers: Outliers,
  { out, images }: { readonly out: string | undefined; readonly images: string | undefined },
): Promise<void> {
  if (out !== undefined) await writeAtomic(out, scoresPicture(flow.manifest.name, outliers))
  if (images !== undefined) await writeAtomic(images, setsPicture(flow, outliers))
}

function scoresPicture(name: string, { known, others }: Outliers): string {
  const sets = [known, ...others]
  const charts = scoreNames.flatMap((score): Histogram[] => {
    if (!known.scores[score]) return []
    const samples = sets.map((set) => ({ name: set.name, values: set.scores[score]! }))
    return [{ title: `${name}: ${score}`, xLabel: inWords[score], samples }]
  })
  return histograms(`Scores of ${name} over ${sets.map((set) => set.name).join(', ')}`, charts)
}

/** A row of images for each set, the known ones first. */
function setsPicture({ manifest: { model } }: Flow, { known, others }: Outliers): Uint8Array {
  const { imageShape: shape, dataRange, dim } = model
  if (shape === null) throw new InvalidValueError({ what: 'picture of sets', expected: 'a model of images', got: 'one of vectors' })
  const sets = [known, ...others]
  const levels = new Uint8Array(sets.length * shown * dim)
  sets.forEach(({ selection: { examples, indices } }, set) => {
    indices.subarray(0, shown).forEach((index, i) => {
      const { data } = rows(examples, index, index + 1)
      levels.set(data instanceof Uint8Array ? data : quantizePixels(data, dataRange), (set * shown + i) * dim)
    })
  })
  return writePng(imageGrid(levels, { shape, columns: shown }))
}
