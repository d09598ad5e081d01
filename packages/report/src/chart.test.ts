import { DOMParser, type Element } from '@xmldom/xmldom'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lineChart } from './chart.ts'
import type { LineChart, Series } from './chart-data.ts'

const labels = { title: 'Log-likelihood', xLabel: 'epoch', yLabel: 'nats' }
const rising: Series = {
  name: 'validation',
  points: [
    [1, 1200],
    [2, 1500],
    [3, 1600],
  ],
}

/** The chart as a tree; anything that is not well-formed XML throws. */
function draw(chart: Partial<LineChart>): Element {
  const onError = (level: string, message: string): void => {
    if (level !== 'warning') throw new Error(`${level}: ${message}`)
  }
  return new DOMParser({ onError }).parseFromString(lineChart({ ...labels, series: [], ...chart }), 'image/svg+xml').documentElement!
}

const all = (svg: Element, tag: string): Element[] => [...svg.getElementsByTagName(tag)]
const ofClass = (svg: Element, tag: string, name: string): Element[] =>
  all(svg, tag).filter((element) => element.getAttribute('class')?.split(' ').includes(name))
const texts = (svg: Element): (string | null)[] => all(svg, 'text').map((element) => element.textContent)
const lines = (svg: Element): string[] => ofClass(svg, 'path', 'line').map((element) => element.getAttribute('d')!)

test('a chart is a stand-alone image that names and describes itself', () => {
  const svg = draw({ series: [rising], references: [{ label: 'paper', y: 1980.5 }] })
  expect(svg.tagName).toBe('svg')
  expect(svg.namespaceURI).toBe('http://www.w3.org/2000/svg')
  expect(svg.getAttribute('role')).toBe('img')
  expect(all(svg, 'title')[0]!.textContent).toBe('Log-likelihood')
  expect(all(svg, 'desc')[0]!.textContent).toBe('nats against epoch. validation: 3 values, the last 1600 at 3. Line at 1980.5: paper.')
})

test('charts share a page: no ids, every rule of style is theirs, and light comes with dark', () => {
  const svg = draw({ series: [rising] })
  expect(all(svg, '*').filter((element) => element.hasAttribute('id'))).toEqual([])
  const style = all(svg, 'style')[0]!.textContent!
  const selectors = [...style.replace(/@media[^{]*\{/g, '').matchAll(/([^{}]+)\{/g)].flatMap(([, list]) => list!.trim().split(','))
  expect(selectors.length).toBeGreaterThan(10)
  for (const selector of selectors) expect(selector).toMatch(/^\.niceflow-chart /)
  expect(style).toContain('@media (prefers-color-scheme: dark)')
})

test('values are drawn to scale', () => {
  const svg = draw({ series: [rising], yDomain: [1000, 2000] })
  const [, ...numbers] = lines(svg)[0]!.match(/^M([\d.]+),([\d.]+)L([\d.]+),([\d.]+)L([\d.]+),([\d.]+)$/)!
  const [x1, y1, x2, y2, x3, y3] = numbers.map(Number) as [number, number, number, number, number, number]
  // Coordinates are rounded to a hundredth of a pixel.
  expect(x3 - x2).toBeCloseTo(x2 - x1, 1)
  expect((y1 - y2) / (y2 - y3)).toBeCloseTo(3, 2)
})

test('titles, names and labels are text, whatever they hold', () => {
  const nasty = `<a href="x" id='i'>&amp;</a>\u0000`
  const svg = draw({
    title: nasty,
    xLabel: nasty,
    yLabel: nasty,
    series: [{ ...rising, name: nasty }],
    references: [{ label: nasty, y: 1500 }],
    width: 1200,
  })
  const shown = nasty.replace('\u0000', '\ufffd')
  expect(texts(svg).filter((text) => text === shown)).toHaveLength(5)
  expect(all(svg, 'a')).toEqual([])
})

test('a value that is not finite is left out and breaks the line', () => {
  const points = [1, 2, Number.NaN, 4, 5, Infinity, 7].map((y, x) => [x, y] as const)
  const svg = draw({ series: [{ name: 'broken', points }] })
  expect(lines(svg)[0]!.match(/[MLZ]/g)!.join('')).toBe('MLMLMZ')
  expect(lines(svg)[0]).not.toMatch(/NaN|Infinity/)
  expect(all(svg, 'desc')[0]!.textContent).toContain('broken: 5 values, the last 7 at 6.')
})

test('a single value is a dot in the middle, with its name; on a narrow chart a dot stands by the name too', () => {
  const series = [{ name: 'validation', points: [[1, 1259]] as const }]
  const svg = draw({ series })
  expect(all(svg, 'circle')).toHaveLength(1)
  expect(texts(svg)).toEqual(expect.arrayContaining(['validation', '1']))
  expect(all(draw({ series, width: 360 }), 'circle')).toHaveLength(2)
})

test.each([[[]], [[{ name: 'empty', points: [] }]], [[{ name: 'nothing', points: [[1, Number.NaN] as const] }]]])(
  'without values there are axes and a word about it (%#)',
  (series) => {
    const svg = draw({ series })
    expect(texts(svg)).toContain('no values yet')
    expect(texts(svg)).toEqual(expect.arrayContaining(['0', '1', 'epoch', 'nats']))
    expect(all(svg, 'circle')).toEqual([])
  },
)

test('references are lines across the plot, inside its axis and named', () => {
  const svg = draw({ series: [rising], references: [{ label: 'NICE paper (1980.50)', y: 1980.5 }] })
  expect(ofClass(svg, 'path', 'line').map((element) => element.getAttribute('class'))).toEqual(['line reference', 'line hue0'])
  expect(texts(svg)).toEqual(expect.arrayContaining(['NICE paper (1980.50)', '2000']))
})

test('the axis leaves far outliers out, clips their lines and says so', () => {
  const points = [-10214, 1301, 1502, 1620, 1700, 1752, 1790].map((y, i) => [i + 1, y] as const)
  const svg = draw({ series: [{ name: 'training', points }] })
  expect(texts(svg)).toContain('Values not shown: 1 below the axis, down to −10,214.')
  expect(all(svg, 'desc')[0]!.textContent).toContain('1 below the axis')
  const clip = all(svg, 'svg').find((element) => element !== svg)!
  const bottom = Number(clip.getAttribute('y')) + Number(clip.getAttribute('height'))
  expect(Number(lines(svg)[0]!.match(/^M[\d.]+,([\d.]+)/)![1])).toBeGreaterThan(bottom)
})

test('a given axis is kept to, and what it cuts is said', () => {
  const svg = draw({ series: [rising], yDomain: [1300, 1550] })
  expect(texts(svg)).toContain('Values not shown: 1 below the axis, down to 1200; 1 above the axis, up to 1600.')
  expect(all(svg, 'circle')).toEqual([])
})

test('names at the ends of lines do not cover one another; on a narrow chart they stand above the plot', () => {
  const series = ['a', 'b', 'c'].map((name) => ({ ...rising, name }))
  const heightOf = (svg: Element, name: string): number =>
    Number(
      all(svg, 'text')
        .find((element) => element.textContent === name)!
        .getAttribute('y'),
    )
  for (const width of [720, 360]) {
    const svg = draw({ series, width })
    const heights = ['a', 'b', 'c'].map((name) => heightOf(svg, name))
    for (const i of [1, 2]) expect(heights[i]! - heights[i - 1]!).toBeGreaterThanOrEqual(12)
  }
  const top = heightOf(draw({ series, width: 360 }), 'c')
  for (const line of ofClass(draw({ series, width: 360 }), 'path', 'grid')) {
    expect(Number(line.getAttribute('d')!.match(/,([\d.]+)/)![1])).toBeGreaterThan(top)
  }
})

test('any values make a well-formed chart without a number that is none', () => {
  const value = fc.double({ min: -1e9, max: 1e9 })
  const series = fc.array(fc.record({ name: fc.string(), points: fc.array(fc.tuple(value, value)) }), { maxLength: 8 })
  fc.assert(
    fc.property(series, (series) => {
      const svg = draw({ series: series.map((s, i) => ({ ...s, name: `${i}${s.name}` })), width: 1600 })
      for (const element of all(svg, '*')) {
        for (const name of ['d', 'x', 'y', 'cx', 'cy', 'width', 'height'])
          expect(element.getAttribute(name) ?? '').not.toMatch(/NaN|Infinity/)
      }
    }),
    { seed: 1, numRuns: 50 },
  )
})

test('what cannot be drawn is refused', () => {
  expect(() => draw({ yDomain: [2, 2] })).toThrow('y axis of the chart "Log-likelihood": expected low < high, got [2, 2]')
  expect(() => draw({ references: [{ label: 'paper', y: Number.NaN }] })).toThrow('reference "paper": expected a finite level, got NaN')
  expect(() => draw({ width: 100, height: 50 })).toThrow(
    'size of the chart "Log-likelihood": expected room to draw beside titles and names, got 100 x 50',
  )
})
