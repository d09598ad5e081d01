import { tensor } from '@niceflow/core'
import { expect, test } from 'vitest'
import { scatterChart } from './scatter.ts'
import { tablePicture } from './table-picture.ts'

const chart = { title: 'a & b', xLabel: 'a', yLabel: 'b' }

test('each panel has its points, on the axes of the first', () => {
  const points = Array.from({ length: 40 }, (_, i) => [i / 10, i * 100] as const)
  const svg = scatterChart({
    ...chart,
    panels: [
      { name: 'data', points },
      { name: 'samples', points: points.slice(0, 3) },
    ],
  })
  expect([...svg.matchAll(/<circle class="hue0"/g)]).toHaveLength(40)
  expect([...svg.matchAll(/<circle class="hue1"/g)]).toHaveLength(3)
  expect(svg).toContain('<title>a &amp; b</title>')
  // The second panel begins half a chart to the right: the same values, as high.
  const [first, second] = ['hue0', 'hue1'].map((hue) => new RegExp(`<circle class="${hue}" cx="([\\d.]+)" cy="([\\d.]+)"`).exec(svg)!)
  expect(Number(second![1]) - Number(first![1])).toBeCloseTo((720 - 64 - 12 - 28) / 2 + 28, 1)
  expect(second![2]).toBe(first![2])
})

test('points that are no numbers are left out, and nothing at all is refused', () => {
  const svg = scatterChart({
    ...chart,
    panels: [
      {
        name: 'data',
        points: [
          [0, 1],
          [Number.NaN, 1],
          [2, 2],
        ],
      },
    ],
  })
  expect([...svg.matchAll(/<circle/g)]).toHaveLength(2)
  expect(() => scatterChart({ ...chart, panels: [{ name: 'data', points: [] }] })).toThrow(
    'points of "data": expected at least one, got none',
  )
})

test('a table is drawn by the two columns that go together most, and by each of the first', () => {
  const columns = Array.from({ length: 10 }, (_, d) => `c${d}`)
  const rows = tensor('float32', [200, 10])
  for (let i = 0; i < rows.data.length; i++) rows.data[i] = Math.sin(12.9898 * i * i)
  for (let row = 0; row < 200; row++) rows.data[10 * row + 5] = Math.exp(rows.data[10 * row + 2]!)
  const svg = tablePicture({ title: 't', columns, tables: [{ name: 'data', rows }] })
  expect(svg).toContain('<desc>c5 against c2: 200 points of data</desc>')
  expect(svg).toContain('t (the first 8 of 10 columns)')
  expect([...svg.matchAll(/<title>c\d<\/title>/g)]).toHaveLength(8)
})
