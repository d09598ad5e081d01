import { type Examples, rows, type Tensor } from '@niceflow/core'
import type { Point } from './chart-data.ts'
import { histogram, type Sample } from './histogram.ts'
import { scatterChart } from './scatter.ts'
import { stacked, stackedWidth } from './stacked.ts'

export type TablePicture = {
  readonly title: string
  /** What the columns are called. */
  readonly columns: readonly string[]
  /** Rows [n, columns] by what they are called, such as data and samples; the axes are made for the first. */
  readonly tables: readonly { readonly name: string; readonly rows: Examples }[]
}

/** The first columns are drawn, and no more than these: a picture is to be looked at. */
const mostColumns = 8
/** Rows of a table that are drawn as points. */
const mostPoints = 1500
const heights = { scatter: 380, histogram: 220 } as const

/** Tables as people look at them: the two columns that go together most, one against the other, and the distribution of each of the first columns. */
export function tablePicture({ title, columns, tables }: TablePicture): string {
  const shown = columns.slice(0, mostColumns)
  const left = columns.length > shown.length ? ` (the first ${shown.length} of ${columns.length} columns)` : ''
  const pair =
    shown.length > 1 ? [scatterOf({ title: `${title}${left}`, columns, tables }, mostCorrelated(tables[0]!.rows, shown.length))] : []
  const distributions = shown.map((name, d) =>
    histogram({
      title: name,
      xLabel: name,
      samples: tables.map((table): Sample => ({ name: table.name, values: columnOf(table.rows, d) })),
      width: stackedWidth,
      height: heights.histogram,
    }),
  )
  return stacked(title, [
    ...pair.map((svg) => ({ svg, height: heights.scatter })),
    ...distributions.map((svg) => ({ svg, height: heights.histogram })),
  ])
}

function scatterOf({ title, columns, tables }: TablePicture, [a, b]: readonly [number, number]): string {
  const panels = tables.map(({ name, rows: table }) => ({ name, points: pointsOf(table, a, b) }))
  return scatterChart({ title, xLabel: columns[a]!, yLabel: columns[b]!, panels, width: stackedWidth, height: heights.scatter })
}

function columnOf({ dims, data }: Examples, d: number): Float64Array {
  return Float64Array.from({ length: dims[0]! }, (_, row) => data[row * dims[1]! + d]!)
}

function pointsOf(table: Tensor<'uint8' | 'float32'>, a: number, b: number): Point[] {
  const { dims, data } = rows(table, 0, Math.min(table.dims[0]!, mostPoints))
  return Array.from({ length: dims[0]! }, (_, row) => [data[row * dims[1]! + a]!, data[row * dims[1]! + b]!] as const)
}

/** Of the first columns, the two whose ranks go together most: ranks let no outlier decide. */
function mostCorrelated(table: Examples, count: number): readonly [number, number] {
  const ranks = Array.from({ length: count }, (_, d) => ranksOf(columnOf(table, d)))
  let best: readonly [number, number] = [0, 1]
  let most = -1
  for (let a = 0; a < count; a++) {
    for (let b = a + 1; b < count; b++) {
      const together = Math.abs(ranks[a]!.reduce((sum, rank, row) => sum + rank * ranks[b]![row]!, 0))
      if (together > most) [best, most] = [[a, b], together]
    }
  }
  return best
}

/** Ranks less their mean; equal values in the order of their rows. */
function ranksOf(values: Float64Array): Float64Array {
  const order = Array.from(values.keys()).sort((i, j) => values[i]! - values[j]!)
  const ranks = new Float64Array(values.length)
  order.forEach((row, rank) => {
    ranks[row] = rank - (values.length - 1) / 2
  })
  return ranks
}
