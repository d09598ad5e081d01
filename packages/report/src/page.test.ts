import { writePng } from '@niceflow/formats'
import { DOMParser, type Element } from '@xmldom/xmldom'
import { expect, test } from 'vitest'
import { lineChart } from './chart.ts'
import { htmlPage, type Section } from './page.ts'

const png = writePng({ width: 3, height: 2, channels: 1, data: Uint8Array.of(0, 50, 100, 150, 200, 250) })
const svg = lineChart({ title: 'curve', xLabel: 'x', yLabel: 'y', series: [{ name: 'line', points: [[0, 1]] }] })
const nasty = `</style><script>alert("1")</script> & 'x'`

const oneOfEach: readonly Section[] = [
  { kind: 'text', heading: nasty, text: `${nasty}\n\nsecond` },
  { kind: 'figures', figures: [{ label: nasty, value: nasty, unit: nasty, detail: nasty }] },
  { kind: 'facts', facts: [{ label: nasty, value: nasty }] },
  {
    kind: 'table',
    caption: nasty,
    columns: [{ label: nasty }, { label: 'name', text: true }],
    rows: [
      [1, nasty],
      [2, 'b'],
    ],
    marked: 1,
  },
  {
    kind: 'row',
    sections: [
      { kind: 'image', png, alt: nasty, caption: nasty },
      { kind: 'code', code: nasty },
    ],
  },
  { kind: 'svg', svg, narrow: svg, caption: nasty },
]

/** The page as a tree: pages are well-formed XML too, and anything that is not throws. */
function parse(html: string): Element {
  const onError = (level: string, message: string): void => {
    if (level !== 'warning') throw new Error(`${level}: ${message}`)
  }
  return new DOMParser({ onError }).parseFromString(html, 'application/xml').documentElement!
}

const page = htmlPage({ title: nasty, subtitle: nasty, sections: oneOfEach })
const root = parse(page)
const all = (tag: string, within = root): Element[] => [...within.getElementsByTagName(tag)]
const text = (tag: string): (string | null)[] => all(tag).map((element) => element.textContent)

test('text stays text in every place', () => {
  expect(all('script')).toEqual([])
  expect(text('h1')).toEqual([nasty])
  expect(text('h2')).toEqual([nasty])
  expect(text('p')).toEqual([nasty, nasty, 'second'])
  expect(text('dt')).toEqual([nasty, nasty])
  expect(text('code')).toEqual([nasty])
  expect(text('figcaption')).toEqual([nasty, nasty, nasty])
  expect(all('title')[0]!.textContent).toBe(nasty)
})

test('a page asks for nothing outside itself, and lets nothing be asked', () => {
  for (const element of all('*')) {
    for (const name of ['src', 'href', 'srcset', 'action', 'data']) expect(element.getAttribute(name) ?? 'data:').toMatch(/^data:/)
  }
  expect(page.replaceAll('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(/https?:|url\(|@import/)
  const policy = all('meta').find((element) => element.getAttribute('http-equiv') === 'Content-Security-Policy')!
  expect(policy.getAttribute('content')).toMatch(/^default-src 'none';/)
})

test('a page starts as HTML, in its language, for any width and both colour schemes', () => {
  expect(page).toMatch(/^<!DOCTYPE html>\n<html lang="en">/)
  expect(all('meta')[0]!.getAttribute('charset')).toBe('utf-8')
  expect(all('meta').map((element) => element.getAttribute('name'))).toContain('viewport')
  expect(all('style')[0]!.textContent).toContain('color-scheme:dark')
})

test('an image holds the very bytes, says its size and what is to be seen', () => {
  const [image] = all('img')
  expect(Buffer.from(image!.getAttribute('src')!.split(',')[1]!, 'base64').equals(png)).toBe(true)
  expect(['width', 'height', 'alt'].map((name) => image!.getAttribute(name))).toEqual(['3', '2', nasty])
})

test('columns and rows of a table name themselves, and one row can stand out', () => {
  expect(all('th').map((element) => element.getAttribute('scope'))).toEqual(['col', 'col', 'row', 'row'])
  expect(all('tr').map((element) => element.getAttribute('class'))).toEqual([null, null, 'marked'])
  expect(text('td')).toEqual([nasty, 'b'])
  expect(all('td').map((element) => element.getAttribute('class'))).toEqual(['text', 'text'])
})

test('charts stand in the page as they are, one for each width', () => {
  expect(page.split(svg)).toHaveLength(3)
})

test('bytes that are no PNG image are refused by name', () => {
  const section: Section = { kind: 'image', png: Uint8Array.of(1, 2, 3), alt: 'samples' }
  expect(() => htmlPage({ title: 't', sections: [section] })).toThrow(/samples.*PNG/)
})
