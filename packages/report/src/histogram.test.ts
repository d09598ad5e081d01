import { DOMParser } from '@xmldom/xmldom'
import { expect, test } from 'vitest'
import { type Histogram, histogram, histograms } from './histogram.ts'

const spread = (from: number, to: number): number[] => Array.from({ length: 600 }, (_, i) => from + ((to - from) * (i + 0.5)) / 600)
const parse = (svg: string) => new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement!

/** Heights of a line's points above the axis, in pixels, be they within the plot or above it. */
function heights(svg: string, line: number): number[] {
  const paths = [...parse(svg).getElementsByTagName('path')].map((path) => ({
    look: path.getAttribute('class') ?? '',
    d: path.getAttribute('d')!,
  }))
  const path = paths.filter(({ look }) => look.startsWith('line hue'))[line]!
  // The axis is a horizontal line; ticks, of the same look, are vertical.
  const bottom = Number(paths.flatMap(({ look, d }) => (look === 'axis' ? (/^M[\d.]+,([\d.]+)H/.exec(d)?.[1] ?? []) : []))[0])
  return [...path.d.matchAll(/[ML,]?(-?[\d.]+),(-?[\d.]+)/g)].map(([, , y]) => bottom - Number(y))
}

const data = (other: number[]): Histogram => ({
  title: 'nats',
  xLabel: 'nats',
  samples: [
    { name: 'known', values: spread(0, 1) },
    { name: 'other', values: other },
  ],
})
const chart = (other: number[]): string => histogram(data(other))

test('the axis is the first sample’s: it fills the middle third evenly', () => {
  const known = heights(chart(spread(0, 1)), 0)
  expect(known).toHaveLength(60)
  const inside = known.slice(21, 39)
  // Ten of 600 examples in a bin, or nine, or eleven.
  expect(Math.max(...inside) - Math.min(...inside)).toBeLessThan(0.21 * Math.min(...inside))
  expect(Math.min(...inside)).toBeGreaterThan(5 * Math.max(...known.slice(0, 19), ...known.slice(41)))
})

test('what lies far beyond is in the outermost bins', () => {
  const other = heights(chart([...spread(1e6, 1e7), ...spread(-1e7, -1e6)]), 1)
  expect(other[0]).toBeCloseTo(other.at(-1)!, 1)
  expect(other[0]!).toBeGreaterThan(10)
  expect(Math.max(...other.slice(1, -1))).toBeCloseTo(0, 1)
})

test('a sample that is empty or not of numbers is refused by name', () => {
  expect(() => chart([])).toThrow('sample "other": expected finite numbers, at least one, got none')
  expect(() => chart([1, Number.NaN])).toThrow('sample "other": expected finite numbers, at least one, got NaN')
})

test('charts stand below one another in one picture', () => {
  const svg = parse(histograms('a & b', [data([0.5]), data([0.5])]))
  expect(svg.getAttribute('height')).toBe('520')
  expect(svg.getElementsByTagName('title')[0]!.textContent).toBe('a & b')
  const inner = [...svg.getElementsByTagName('svg')].filter((one) => one.getAttribute('class') === 'niceflow-chart')
  expect(inner.map((one) => one.getAttribute('y'))).toEqual(['0', '260'])
})
