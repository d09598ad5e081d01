import type { ScoredExample } from './columns.ts'

/** An example of which nothing is known but its likelihood. */
export function scoredExample({
  index,
  logLikelihood,
  ...known
}: Pick<ScoredExample, 'index' | 'logLikelihood'> & Partial<ScoredExample>): ScoredExample {
  return {
    index,
    file: 'a.npy',
    row: 0,
    logLikelihood,
    standardError: null,
    bitsPerDim: null,
    compressedBits: null,
    percentile: null,
    scores: null,
    outlier: null,
    ...known,
  }
}
