import type { Domain } from './axis.ts'

export type Point = readonly [x: number, y: number]

/** A line through its points in their order; a point that is not finite is left out and breaks it. */
export type Series = { readonly name: string; readonly points: readonly Point[]; readonly dashed?: boolean }

/** A level to compare with: a thin line across the chart. */
export type ReferenceLine = { readonly label: string; readonly y: number }

export type LineChart = {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  readonly series: readonly Series[]
  readonly references?: readonly ReferenceLine[]
  /** Ends of the y axis. Left out, the axis holds every value but far outliers below; either way the chart says what it leaves out. */
  readonly yDomain?: Domain
  /** The size in CSS pixels at which text has its natural size. Names stand at the lines' ends, on charts below 480 above the plot. */
  readonly width?: number
  readonly height?: number
}

export function isFinitePoint([x, y]: Point): boolean {
  return Number.isFinite(x) && Number.isFinite(y)
}
