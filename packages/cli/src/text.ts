import { type DataRange, isTable, type ModelFacts } from '@niceflow/core'

/** Words and numbers as the terminal shows them. */

/** A number with its digits grouped, at most so many of them after the point. */
export function number(value: number, digits = 0, exact = true): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: exact ? digits : 0, maximumFractionDigits: digits })
}

/** A log-likelihood, without its unit; a dash where there is none. */
export function nats(value: number | null): string {
  return value === null ? '-' : value.toFixed(2)
}

/** Where a likelihood is a density: `[0, 1]`. */
export function rangeOf([low, high]: DataRange): string {
  return `[${low}, ${high}]`
}

/** Where a model's likelihood is a density, after "nats": `on [0, 1]`, or in the units of whoever measured what a table holds. */
export function densityOf(model: Pick<ModelFacts, 'pixels' | 'imageShape' | 'dataRange'>): string {
  return isTable(model) ? "in the data's own units" : `on ${rangeOf(model.dataRange)}`
}

export function megabytes(bytes: number): string {
  return `${number(bytes / 1e6, 1)} MB`
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-'
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 100) return `${Math.round(seconds)} s`
  const minutes = seconds / 60
  return minutes < 100 ? `${minutes.toFixed(1)} min` : `${(minutes / 60).toFixed(1)} h`
}

/** Columns of text: the first is set left, as is every one that `left` names; the others right. */
export function table(rows: readonly (readonly string[])[], left: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const cell = (text: string, column: number): string =>
    column === 0 || left.includes(column) ? text.padEnd(widths[column]!) : text.padStart(widths[column]!)
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n')
}

/** A field of a CSV file, quoted where it must be; nothing for what is not known. */
export function csvField(value: string | number | boolean | null): string {
  const text = String(value ?? '')
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** The first line of a table of examples: what its columns are called, where they have names. */
export function csvHeading({ columns }: Pick<ModelFacts, 'columns'>): string {
  return columns ? `${columns.map(csvField).join(',')}\n` : ''
}

/** Examples as lines of a table, their numbers as `shortest` writes them. */
export function csvRows(values: Float32Array, width: number): string {
  let lines = ''
  for (let start = 0; start < values.length; start += width) {
    lines += `${Array.from(values.subarray(start, start + width), shortest).join(',')}\n`
  }
  return lines
}

/** A float32 number in the fewest digits that are no other one: nine at the most. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits))
    if (Math.fround(rounded) === value) return rounded
  }
  return Number(value.toPrecision(9))
}

/** A word of a command line, quoted for a shell where it must be. */
export function shellWord(word: string): string {
  return /^[\w./:,=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
