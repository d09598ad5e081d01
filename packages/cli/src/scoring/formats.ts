import { extname } from 'node:path'
import { npyHeader } from '@niceflow/formats'
import { csvField } from '../text.ts'
import { columns, type ScoredExample } from './columns.ts'

/** A row in a part of a file: where it begins, and the index of its example. */
export type PlacedRow = { readonly at: number; readonly index: number }

/** A form in which rows of scores are written one after the other. */
export type RowFormat = {
  /** What every file begins with. */
  readonly begins: Uint8Array
  /** What a file of `count` rows begins with, as many bytes whatever the count. */
  readonly header: (count: number) => Uint8Array
  readonly encode: (examples: readonly ScoredExample[]) => Uint8Array
  /** The bytes of a row, where all have as many. */
  readonly rowBytes?: number
  /**
   * The whole rows in a part of a file, and where the last of them ends.
   * @param position of the part, in bytes from the end of the header
   */
  readonly rowsIn: (bytes: Uint8Array, position: number) => { readonly rows: readonly PlacedRow[]; readonly end: number }
}

const newline = 10

/**
 * Text, a row to a line.
 * @param pattern what a whole row looks like, its index in the first group; a whole line that is none has no index
 */
function textFormat(heading: string, line: (example: ScoredExample) => string, pattern: RegExp): RowFormat {
  const begins = Buffer.from(heading)
  return {
    begins,
    header: () => begins,
    encode: (examples) => Buffer.from(examples.map((example) => `${line(example)}\n`).join('')),
    rowsIn(bytes, position) {
      // A character to a byte.
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
      const next = new RegExp(pattern, 'y')
      const rows: PlacedRow[] = []
      let at = position === 0 ? 0 : bytes.indexOf(newline) + 1
      for (next.lastIndex = at; ; at = next.lastIndex) {
        const found = next.exec(text)
        if (!found) return { rows, end: at }
        rows.push({ at, index: Number(found[1]) })
      }
    },
  }
}

/** JSON Lines: an object a line. */
const ndjson = textFormat('', (example) => JSON.stringify(example), /(?:\{"index":(\d+),[^\n]*\}|[^\n]*)\n/)

/**
 * RFC 4180, but that lines end as on Unix: fields that hold a comma, a quote or a line break are quoted; what is not known is empty. Only the path
 * may hold a line break: where its quote is never closed, the row was torn.
 */
const csv = textFormat(
  `${columns.map(({ name }) => name).join(',')}\n`,
  (example) => columns.map(({ of }) => csvField(of(example))).join(','),
  new RegExp(`(?:(\\d+),(?:"[^"]*(?:""[^"]*)*"|[^",\\n]*)(?:,[^",\\n]*){${columns.length - 2}}|(?!\\d+,")[^\\n]*)\\n`),
)

/** An array of records, the numbers of an example each: `numpy.load(file)['logLikelihood']`. What is not known is NaN. */
const npy: RowFormat = (() => {
  const numeric = columns.flatMap(({ name, of, array }) => (array ? [{ name, of, array }] : []))
  const fields = numeric.map(({ name, array }) => [name, array] as const)
  const rowBytes = 8 * fields.length
  const longest = npyHeader(fields, [Number.MAX_SAFE_INTEGER])
  return {
    begins: longest.subarray(0, Buffer.from(longest).indexOf("'shape'")),
    header: (count) => npyHeader(fields, [count], longest.length),
    rowBytes,
    encode(examples) {
      const bytes = new Uint8Array(examples.length * rowBytes)
      const view = new DataView(bytes.buffer)
      for (const [row, example] of examples.entries()) {
        for (const [column, { of, array }] of numeric.entries()) {
          const at = row * rowBytes + 8 * column
          const value = Number(of(example) ?? Number.NaN)
          if (array === 'int64') view.setBigInt64(at, BigInt(value), true)
          else view.setFloat64(at, value, true)
        }
      }
      return bytes
    },
    rowsIn(bytes, position) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const rows: PlacedRow[] = []
      let at = (rowBytes - (position % rowBytes)) % rowBytes
      for (; at + rowBytes <= bytes.length; at += rowBytes) rows.push({ at, index: Number(view.getBigInt64(at, true)) })
      return { rows, end: at }
    },
  }
})()

const byEnding: Readonly<Record<string, RowFormat>> = { '.ndjson': ndjson, '.jsonl': ndjson, '.csv': csv, '.npy': npy }

/** The endings of files that scores can be written to. */
export const scoreEndings: readonly string[] = Object.keys(byEnding)

/** The form in which a file of this name holds scores; undefined for other endings. */
export function formatOf(file: string): RowFormat | undefined {
  return byEnding[extname(file).toLowerCase()]
}

/** A line of JSON for each example. */
export function ndjsonLines(examples: readonly ScoredExample[]): Uint8Array {
  return ndjson.encode(examples)
}
