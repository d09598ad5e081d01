import type { ModelFacts } from '@niceflow/core'
import { catalogue } from '@niceflow/data'
import type { PublishedResult } from '@niceflow/report'
import { rangeOf } from './text.ts'

/**
 * Published results for a dataset, on the range of a model of it: a density on one as wide by a factor c is D ln c nats less.
 * (Of a dataset that a paper takes whole: not of hard sets made of it.)
 */
export function publishedFor(
  dataset: string,
  { dim, dataRange: [low, high] }: Pick<ModelFacts, 'dim' | 'dataRange'>,
): readonly PublishedResult[] {
  const results = Object.hasOwn(catalogue, dataset) ? catalogue[dataset]!.figures.published : []
  return results.map(({ model, nats, range, note }) => {
    const moved = dim * Math.log((range[1] - range[0]) / (high - low))
    const elsewhere = moved === 0 ? [] : [`${nats.toFixed(2)} on ${rangeOf(range)}`]
    const notes = [...elsewhere, ...(note === undefined ? [] : [note])]
    return { label: `${model}: ${(nats + moved).toFixed(2)} (test)`, model, nats: nats + moved, note: notes.join('; ') }
  })
}
