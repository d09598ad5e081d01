import { type DataType, type ExampleScores, exampleScores, type Judge, type ScoreName } from '@niceflow/core'
import type { Flow, Score } from '@niceflow/runtime'
import type { Stretch } from '../examples.ts'
import { table } from '../text.ts'

/** What is known of an example: its index in the whole request, where it came from, and its scores. */
export type ScoredExample = { readonly index: number; readonly file: string; readonly row: number } & ExampleScores

type Column = {
  readonly name: string
  readonly of: (example: ScoredExample) => string | number | boolean | null
  /** In arrays, which hold numbers alone; true is 1, and what is not known NaN. */
  readonly array?: DataType & ('int64' | 'float64')
  /** In tables for people, whose first column is the file and the row in it. */
  readonly heading?: string
  /** How tables show a number. */
  readonly shown?: (value: number) => string
}

const fixed =
  (digits: number) =>
  (value: number): string =>
    value.toFixed(digits)

/** A score's value and its p-value. */
function judged(name: ScoreName, score: Pick<Column, 'heading' | 'shown'> = {}): readonly Column[] {
  return [
    { name, of: ({ scores }) => scores?.[name]?.score ?? null, array: 'float64', ...score },
    {
      name: `${name}PValue`,
      of: ({ scores }) => scores?.[name]?.pValue ?? null,
      array: 'float64',
      heading: `${name} p`,
      shown: (value) => value.toPrecision(2),
    },
  ]
}

/** What is told of each example wherever it has columns: in CSV, arrays and tables. JSON is the example as it is. */
export const columns: readonly Column[] = [
  { name: 'index', of: ({ index }) => index, array: 'int64', heading: 'index', shown: fixed(0) },
  { name: 'file', of: ({ file }) => file },
  { name: 'row', of: ({ row }) => row },
  { name: 'logLikelihood', of: ({ logLikelihood }) => logLikelihood, array: 'float64', heading: 'nats', shown: fixed(2) },
  { name: 'standardError', of: ({ standardError }) => standardError, array: 'float64', heading: '±', shown: fixed(2) },
  { name: 'bitsPerDim', of: ({ bitsPerDim }) => bitsPerDim, array: 'float64', heading: 'bits/dim', shown: fixed(3) },
  { name: 'compressedBits', of: ({ compressedBits }) => compressedBits, array: 'float64' },
  { name: 'percentile', of: ({ percentile }) => percentile, array: 'float64', heading: 'percentile', shown: fixed(1) },
  ...judged('typicality'),
  ...judged('excess', { heading: 'excess bits', shown: fixed(0) }),
  ...judged('rarity'),
  { name: 'outlier', of: ({ outlier }) => outlier, array: 'float64', heading: 'verdict' },
]

/** What was found of a stretch's examples, each a function of its own numbers alone. */
export function scoredExamples(
  { model }: Flow['manifest'],
  { firstIndex, origins }: Stretch,
  score: Score,
  compressedBits: Float64Array | null,
  judge: Judge | null,
): ScoredExample[] {
  const scores = exampleScores({ ...score, compressedBits }, model, judge)
  return scores.map((example, i) => ({ index: firstIndex + i, ...origins[i]!, ...example }))
}

/** Examples as a table for people. */
export function scoreTable(examples: readonly ScoredExample[]): string {
  const shown = columns.filter(({ heading }) => heading !== undefined)
  const cell = (value: ReturnType<Column['of']>, { shown: text = String }: Column): string => {
    if (typeof value === 'boolean') return value ? 'outlier' : 'typical'
    return typeof value === 'number' ? text(value) : (value ?? '-')
  }
  const rows = examples.map((example, i) => [
    example.row > 0 || examples[i + 1]?.file === example.file ? `${example.file}[${example.row}]` : example.file,
    ...shown.map((column) => cell(column.of(example), column)),
  ])
  return table([['file', ...shown.map(({ heading }) => heading!)], ...rows], [shown.length])
}
