import { type ColumnFacts, columnFacts, type Finding, findings, isConstant, repeatedRows, type Tensor, tensor } from '@niceflow/core'
import type { Hole, Rows } from '@niceflow/formats'
import type { Part, PartOptions } from './files/part.ts'
import { readParts } from './files/source.ts'
import { isPath, type LoadOptions, loadDataset } from './load.ts'

/** A column of a table: what its numbers are like, and what it holds besides. */
export type InspectedColumn = {
  readonly name: string
  /** Of the rows that are whole; null for a column of text, and where no row is whole. */
  readonly facts: ColumnFacts | null
  readonly missing: number
  /** Cells of text; and what they say, where it is one of a few words. */
  readonly text: number
  readonly words: Readonly<Record<string, number>> | null
}

/** What is in some data, and what of it will hurt training. */
export type Inspection = Pick<Part, 'imageShape'> & {
  readonly name: string
  /** Examples for training, and for testing where they are apart. */
  readonly examples: number
  readonly testExamples: number | null
  readonly dim: number
  readonly type: 'uint8' | 'float32'
  /** Of all their values; null where no row is whole. */
  readonly range: readonly [least: number, most: number] | null
  /** Of a table of numbers; null for images. */
  readonly columns: readonly InspectedColumn[] | null
  /** Columns or pixels that are the same in all examples. */
  readonly constant: number
  /** Examples that are the same as earlier ones. */
  readonly repeated: number
  readonly classes: Readonly<Record<string, number>> | null
  readonly findings: readonly (Omit<Finding, 'kind'> & { readonly kind: Finding['kind'] | 'missing' | 'text' })[]
}

export type Inspected = {
  readonly inspection: Inspection
  /** The examples for training, without columns of text and rows in which numbers are missing. */
  readonly examples: Rows
}

/** What is a word of a column, and not text at large. */
const mostWords = 50

/**
 * Looks at data before they are trained on: those of a path, however broken their rows are, or of the catalogue.
 * @throws as `loadDataset`, for what cannot be read at all
 */
export async function inspectData(name: string, { dir, ...options }: LoadOptions & PartOptions = {}): Promise<Inspected> {
  const tally = holeTally()
  const { train, test } = (await isPath(name))
    ? await readParts(name, { ...options, onHole: tally.add })
    : partsOf(await loadDataset(name, { dir }))
  const [count, dim] = train.examples.dims as [number, number]
  const textual = Array.from({ length: dim }, (_, d) => tally.of(d).text > count / 2)
  const kept = textual.flatMap((text, d) => (text ? [] : [d]))
  const examples = train.examples.dtype === 'uint8' ? train.examples : wholeRows(train.examples, kept)
  const names = train.columns ?? Array.from({ length: dim }, (_, d) => String(d + 1))
  const keptNames = kept.map((d) => names[d]!)
  const whole = examples.dims[0]!
  const facts = whole > 0 ? columnFacts(examples) : []
  const columns = names.map((name, d): InspectedColumn => ({ name, facts: facts[kept.indexOf(d)] ?? null, ...tally.of(d) }))
  return {
    examples,
    inspection: {
      name,
      examples: count,
      testExamples: test?.examples.dims[0] ?? null,
      dim,
      imageShape: train.imageShape,
      type: examples.dtype,
      range: whole > 0 ? [Math.min(...facts.map(({ min }) => min)), Math.max(...facts.map(({ max }) => max))] : null,
      columns: train.imageShape === null ? columns : null,
      constant: facts.filter(isConstant).length,
      repeated: repeatedRows(examples),
      classes: train.classes ?? null,
      findings: [...holeFindings(columns, count), ...(whole > 0 ? findings(examples, { columns: keptNames, facts }) : [])],
    },
  }
}

function partsOf({ train, test, imageShape }: Awaited<ReturnType<typeof loadDataset>>): { readonly train: Part; readonly test: Part } {
  return { train: { examples: train, imageShape }, test: { examples: test, imageShape } }
}

type Tally = Pick<InspectedColumn, 'missing' | 'text' | 'words'>

/** Counts cells without numbers by column. */
function holeTally(): { readonly add: (hole: Hole) => void; readonly of: (column: number) => Tally } {
  const counts = new Map<number, { missing: number; text: number; words: Record<string, number> | null }>()
  return {
    add({ column, text }) {
      const tally = counts.get(column) ?? { missing: 0, text: 0, words: {} }
      counts.set(column, tally)
      if (text === '') tally.missing++
      else tally.text++
      if (text === '' || !tally.words) return
      tally.words[text] = (tally.words[text] ?? 0) + 1
      if (Object.keys(tally.words).length > mostWords) tally.words = null
    },
    of: (column) => {
      const { missing, text, words } = counts.get(column) ?? { missing: 0, text: 0, words: null }
      return { missing, text, words: text > 0 ? words : null }
    },
  }
}

function wholeRows({ dims, data }: Tensor<'float32'>, columns: readonly number[]): Tensor<'float32'> {
  const [count, dim] = dims as [number, number]
  const taken = new Float32Array(count * columns.length)
  let rows = 0
  for (let row = 0; row < count; row++) {
    const start = rows * columns.length
    columns.forEach((d, i) => {
      taken[start + i] = data[row * dim + d]!
    })
    if (taken.subarray(start, start + columns.length).every(Number.isFinite)) rows++
  }
  return tensor('float32', [rows, columns.length], taken.slice(0, rows * columns.length))
}

function holeFindings(columns: readonly InspectedColumn[], count: number): Inspection['findings'] {
  const numbers = columns.filter(({ text }) => text <= count / 2).map(({ name }) => name)
  return columns.flatMap(({ name, missing, text }, d): Inspection['findings'] => {
    const effect = 'training refuses it'
    if (text > 0) {
      const remedy = text > count / 2 ? `leave it out: --columns ${numbers.join(',')}` : 'mend these cells'
      return [{ kind: 'text', columns: [d], what: `column ${name} holds text in ${text} of ${count} rows`, effect, remedy }]
    }
    if (missing === 0) return []
    const what = `column ${name} has no value in ${missing} of ${count} rows`
    return [{ kind: 'missing', columns: [d], what, effect, remedy: 'fill these cells in, or remove the rows' }]
  })
}
