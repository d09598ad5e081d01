import { InvalidValueError } from '@niceflow/core'
import { quantile } from 'd3-array'
import { lineChart } from './chart.ts'
import type { Point } from './chart-data.ts'
import { stacked, stackedWidth } from './stacked.ts'

/** Numbers of one kind, to be compared with those of others. */
export type Sample = { readonly name: string; readonly values: ArrayLike<number> }

export type Histogram = {
  readonly title: string
  readonly xLabel: string
  /** The first is what the others are compared with: the axis is made for it. */
  readonly samples: readonly Sample[]
  readonly width?: number
  readonly height?: number
}

const bins = 60
/** The size of a chart where none is given, in CSS pixels. */
const size = { width: stackedWidth, height: 260 }

/**
 * Draws the distributions of samples over one another, as shares of each in equal bins. The axis spans the inner 98 % of the first sample
 * and as much again on either side; what lies beyond is counted in the outermost bins. Its height is that of the first sample and half as much.
 * @throws InvalidValueError for a sample without values, or with one that is not finite
 */
export function histogram({ title, xLabel, samples, width = size.width, height = size.height }: Histogram): string {
  for (const { name, values } of samples) {
    const odd = Array.from(values).find((value) => !Number.isFinite(value))
    if (values.length === 0 || odd !== undefined) {
      throw new InvalidValueError({ what: `sample "${name}"`, expected: 'finite numbers, at least one', got: odd ?? 'none' })
    }
  }
  const first = Array.from(samples[0]!.values)
  const [lower, upper] = [quantile(first, 0.01)!, quantile(first, 0.99)!]
  const room = upper - lower || 1
  const [low, step] = [lower - room, (3 * room) / bins]
  const points = ({ values }: Sample): Point[] => {
    const shares = new Float64Array(bins)
    for (const value of Array.from(values)) shares[Math.max(0, Math.min(bins - 1, Math.floor((value - low) / step)))]! += 1 / values.length
    return Array.from(shares, (share, i) => [low + (i + 0.5) * step, 100 * share] as const)
  }
  return lineChart({
    title,
    xLabel: `${xLabel}; the ends hold all beyond`,
    yLabel: `% of the examples in each of ${bins} bins`,
    series: samples.map((sample, i) => ({ name: sample.name, points: points(sample), dashed: i > 0 })),
    yDomain: [0, 1.5 * Math.max(...points(samples[0]!).map(([, share]) => share))],
    width,
    height,
  })
}

/** Histograms below one another, as one SVG that names itself to screen readers. */
export function histograms(title: string, charts: readonly Histogram[]): string {
  return stacked(
    title,
    charts.map((chart) => ({ svg: histogram({ ...chart, ...size }), height: size.height })),
  )
}
