import type { DataRange, ModelFacts } from '@niceflow/core'
import type { PublishedResult } from '@niceflow/report'
import { rangeOf } from './text.ts'

/** A mean log-likelihood of test examples in nats, as a paper gives it: a density on `range`. */
type Published = { readonly model: string; readonly nats: number; readonly range: DataRange; readonly note?: string }

const nice = 'NICE, paper'
const mixture: Pick<Published, 'model' | 'note'> = {
  model: 'deep mixture of factor analysers',
  note: 'a lower bound (Tang et al. 2012), as the paper of NICE sets it beside its own',
}

/** By dataset: what Dinh et al. 2014 report, and what they compare with (section 5.1). */
const published: Readonly<Record<string, readonly Published[]>> = {
  mnist: [{ model: nice, nats: 1980.5, range: [0, 1] }],
  tfd: [
    { model: nice, nats: 5514.71, range: [0, 1] },
    { ...mixture, nats: 5250, range: [0, 1] },
  ],
  svhn: [{ model: nice, nats: 11_496.55, range: [0, 1] }],
  cifar10: [
    { model: nice, nats: 5371.78, range: [-1, 1] },
    { ...mixture, nats: 3622, range: [-1, 1] },
  ],
}

/**
 * Published results for a dataset, on the range of a model of it: a density on one as wide by a factor c is D ln c nats less.
 * (Of a dataset that a paper takes whole: not of hard sets made of it.)
 */
export function publishedFor(
  dataset: string,
  { dim, dataRange: [low, high] }: Pick<ModelFacts, 'dim' | 'dataRange'>,
): readonly PublishedResult[] {
  const results = Object.hasOwn(published, dataset) ? published[dataset]! : []
  return results.map(({ model, nats, range, note }) => {
    const moved = dim * Math.log((range[1] - range[0]) / (high - low))
    const elsewhere = moved === 0 ? [] : [`${nats.toFixed(2)} on ${rangeOf(range)}`]
    const notes = [...elsewhere, ...(note === undefined ? [] : [note])]
    return { label: `${model}: ${(nats + moved).toFixed(2)} (test)`, model, nats: nats + moved, note: notes.join('; ') }
  })
}
