import { type Tensor, tensor } from '@niceflow/core'
import Papa from 'papaparse'
import { decodeUtf8, hex, InvalidFileError } from './bytes.ts'

/** A table of numbers: its rows, and the names of its columns where the file has them. */
export type Table = { readonly columns: readonly string[] | undefined; readonly rows: Tensor<'float32'> }

/** A cell that holds no number: where it is, and what it holds instead. */
export type Hole = {
  /** From 1, blank lines and a heading not counted. */
  readonly row: number
  /** From 1. */
  readonly line: number
  /** Where in the table that is read. */
  readonly column: number
  /** Nothing where the value is missing. */
  readonly text: string
}

export type CsvOptions = {
  /** Columns to take, by name or by number from 1, in this order; all when left out. */
  readonly columns?: readonly string[] | undefined
  /** The same by name alone, for files that name theirs; a file without names is taken as it is. */
  readonly named?: readonly string[] | undefined
  /** Takes cells without a value as NaN; what is text is refused all the same. */
  readonly missing?: 'NaN' | undefined
  /** Hears of a cell that holds no number, which becomes NaN; the first is thrown when left out. */
  readonly onHole?: ((hole: Hole) => void) | undefined
}

const delimiters = [',', ';', '\t', '|']
/** By which the delimiter is guessed. */
const linesToGuess = 20
const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i
/** What programs write where a value is missing. */
const missing = new Set(['', 'na', 'n/a', '#n/a', 'nan', 'null', 'none', '?'])

/**
 * Reads a table of numbers in text (RFC 4180): cells between commas, semicolons, tabs or bars, whichever its first lines have, quoted or not, a
 * byte-order mark and blank lines passed over. A first row without any number is the heading.
 * @param source the file's name, for messages
 * @returns rows float32 [n, columns]
 * @throws InvalidFileError for bytes that are not UTF-8, rows of different lengths, fewer than two columns, no rows, and for a cell that is no
 *   finite float32 number, by row and column
 */
export function readCsv(bytes: Uint8Array, source: string, { columns, named, missing: absent, onHole }: CsvOptions = {}): Table {
  const growing = growingArray()
  let heading: readonly string[] | undefined
  let taken: readonly number[] | undefined
  let width = 0
  let [row, line] = [0, 1]
  const step = (cells: readonly string[], fault: string | undefined): void => {
    const here = line
    line += 1 + cells.reduce((sum, cell) => sum + (cell.match(/\n/g)?.length ?? 0), 0)
    if (fault !== undefined)
      throw new InvalidFileError(source, { what: `line ${here}`, expected: 'a row of cells', got: fault, remedy: 'mend the quotes' })
    if (cells.length === 1 && cells[0]!.trim() === '') return
    if (!taken) {
      width = cells.length
      const kinds = cells.map(kindOf)
      if (kinds.includes('text') && !kinds.includes('number')) heading = cells.map((cell) => cell.trim())
      taken = chosen(source, heading, width, heading && named && !columns ? named : columns)
      if (heading) return
    }
    row++
    if (cells.length !== width) {
      const [expected, got] = [`${width} cells, as in the first row`, cells.length]
      throw new InvalidFileError(source, { what: `row ${row} (line ${here})`, expected, got, remedy: 'mend the row' })
    }
    for (const [column, at] of taken.entries()) {
      const text = cells[at]!.trim()
      const value = number.test(text) ? Math.fround(Number(text)) : Number.NaN
      if (!Number.isFinite(value)) {
        const hole: Hole = { row, line: here, column, text: kindOf(text) === 'missing' ? '' : text }
        if (!onHole && !(absent && hole.text === '')) throw refusal(source, hole, nameOf(heading, at))
        onHole?.(hole)
      }
      growing.push(Number.isFinite(value) ? value : Number.NaN)
    }
  }
  const text = textOf(bytes, source)
  // Blank lines would count as rows of one cell where the delimiter is guessed, and must be counted where lines are.
  const { meta } = Papa.parse(text, { delimitersToGuess: delimiters, skipEmptyLines: 'greedy', preview: linesToGuess })
  Papa.parse<string[]>(text, {
    delimiter: meta.delimiter,
    step: ({ data, errors }) => step(data, errors.find(({ type }) => type === 'Quotes')?.message),
  })
  if (!taken || row === 0) {
    throw new InvalidFileError(source, { what: 'rows', expected: 'at least one row of numbers', got: heading ? 'a heading alone' : 'none' })
  }
  const names = heading && taken.map((at) => nameOf(heading, at))
  return { columns: names, rows: tensor('float32', [row, taken.length], growing.values()) }
}

/** What a column is called: by its heading, else by its number from 1. */
function nameOf(heading: readonly string[] | undefined, at: number): string {
  return heading?.[at] || String(at + 1)
}

function kindOf(cell: string): 'number' | 'missing' | 'text' {
  const text = cell.trim()
  return number.test(text) ? 'number' : missing.has(text.toLowerCase()) ? 'missing' : 'text'
}

/** Where the columns that are taken stand. */
function chosen(
  source: string,
  heading: readonly string[] | undefined,
  width: number,
  columns: readonly string[] | undefined,
): readonly number[] {
  if (width < 2) {
    const remedy = 'separate columns by commas, semicolons, tabs or bars: a coupling layer needs two halves'
    throw new InvalidFileError(source, { what: 'columns', expected: '2 or more', got: width, remedy })
  }
  return (columns ?? Array.from({ length: width }, (_, at) => String(at + 1))).map((column) => {
    const named = heading?.indexOf(column) ?? -1
    if (named >= 0) return named
    if (/^\d+$/.test(column) && Number(column) >= 1 && Number(column) <= width) return Number(column) - 1
    const expected = heading
      ? `one of ${heading.map((_, at) => nameOf(heading, at)).join(', ')}`
      : `a number from 1 to ${width}, as the file names none`
    throw new InvalidFileError(source, { what: `column ${column}`, expected, got: 'none', remedy: 'give a table that has the column' })
  })
}

function refusal(source: string, { row, line, text }: Hole, name: string): InvalidFileError {
  const what = `row ${row} (line ${line}), column ${name}`
  if (text === '')
    return new InvalidFileError(source, { what, expected: 'a number', got: 'nothing', remedy: 'fill in the value, or remove the row' })
  const remedy = 'leave the column out, or write numbers in it, with a point before decimals and nothing between thousands'
  return new InvalidFileError(source, {
    what,
    expected: 'a finite float32 number',
    got: text.length > 40 ? `${text.slice(0, 40)}…` : text,
    remedy,
  })
}

function textOf(bytes: Uint8Array, source: string): string {
  try {
    return decodeUtf8(bytes)
  } catch (cause) {
    const got = hex(bytes.subarray(0, 4))
    throw new InvalidFileError(source, {
      what: 'text',
      expected: 'UTF-8',
      got: `other bytes (${got} …)`,
      remedy: 'save the table as UTF-8',
      cause,
    })
  }
}

/** Numbers of which it is not known how many there will be. */
function growingArray(): { readonly push: (value: number) => void; readonly values: () => Float32Array } {
  let values = new Float32Array(1024)
  let length = 0
  return {
    push(value) {
      if (length === values.length) {
        const longer = new Float32Array(2 * length)
        longer.set(values)
        values = longer
      }
      values[length++] = value
    },
    values: () => values.slice(0, length),
  }
}
