import type { DataType } from '@niceflow/core'
import type { Flow, Score } from '@niceflow/runtime'
import { shareBelow } from '@niceflow/trainer'
import type { Stretch } from '../examples.ts'
import { table } from '../text.ts'

/** What is known of an example. */
export type ScoredExample = {
  /** In the whole request. */
  readonly index: number
  readonly file: string
  readonly row: number
  /** Nats on the model's data range. */
  readonly logLikelihood: number
  /** Null where the model's data are not pixels. */
  readonly bitsPerDim: number | null
  /** The share of held-out examples that score less, in percent; null for a bundle without calibration. */
  readonly percentile: number | null
}

type Column = {
  readonly name: string
  readonly of: (example: ScoredExample) => string | number | boolean | null
  /** In arrays, which hold numbers alone; true is 1, and what is not known NaN. */
  readonly array?: DataType & ('int64' | 'float64')
  /** In tables for people, whose first column is the file and the row in it. */
  readonly heading?: string
  readonly digits?: number
}

/** What is told of each example wherever it has columns: in CSV, arrays and tables. JSON is the example as it is. */
export const columns: readonly Column[] = [
  { name: 'index', of: ({ index }) => index, array: 'int64', heading: 'index', digits: 0 },
  { name: 'file', of: ({ file }) => file },
  { name: 'row', of: ({ row }) => row },
  { name: 'logLikelihood', of: ({ logLikelihood }) => logLikelihood, array: 'float64', heading: 'nats', digits: 2 },
  { name: 'bitsPerDim', of: ({ bitsPerDim }) => bitsPerDim, array: 'float64', heading: 'bits/dim', digits: 3 },
  { name: 'percentile', of: ({ percentile }) => percentile, array: 'float64', heading: 'percentile', digits: 1 },
]

/** What the scores of a stretch say of its examples. */
export function scoredExamples(
  { calibration, model }: Flow['manifest'],
  { firstIndex, origins }: Stretch,
  { logLikelihood, bitsPerDim }: Score,
): ScoredExample[] {
  return origins.map(({ file, row }, i) => ({
    index: firstIndex + i,
    file,
    row,
    logLikelihood: logLikelihood[i]!,
    bitsPerDim: model.pixels ? bitsPerDim[i]! : null,
    percentile: calibration && 100 * shareBelow(calibration, logLikelihood[i]!),
  }))
}

/** Examples as a table for people. */
export function scoreTable(examples: readonly ScoredExample[]): string {
  const shown = columns.filter(({ heading }) => heading !== undefined)
  const cell = (value: ReturnType<Column['of']>, digits: number | undefined): string =>
    typeof value === 'number' ? value.toFixed(digits) : String(value ?? '-')
  const rows = examples.map((example, i) => [
    example.row > 0 || examples[i + 1]?.file === example.file ? `${example.file}[${example.row}]` : example.file,
    ...shown.map(({ of, digits }) => cell(of(example), digits)),
  ])
  return table([['file', ...shown.map(({ heading }) => heading!)], ...rows])
}
