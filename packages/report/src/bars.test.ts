import { DOMParser } from '@xmldom/xmldom'
import { expect, test } from 'vitest'
import { barChart } from './bars.ts'

const bars = [
  { name: 'here', value: 150, low: 140, high: 170 },
  { name: 'there & then', value: 300 },
]

test('bars start at zero, are as long as their values, and are said in words', () => {
  const svg = new DOMParser().parseFromString(barChart({ title: 'ms', bars }), 'image/svg+xml').documentElement!
  const lengths = [...svg.getElementsByTagName('path')]
    .filter((path) => path.getAttribute('class') === 'bar hue0')
    .map((path) => {
      const [, from, to] = /^M([\d.]+),[\d.]+H([\d.]+)$/.exec(path.getAttribute('d')!)!
      return Number(to) - Number(from)
    })
  expect(lengths[1]! / lengths[0]!).toBeCloseTo(2, 2)
  expect(svg.getElementsByTagName('desc')[0]!.textContent).toBe('here: 150; there & then: 300')
})

test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('a bar of %d is refused by name', (value) => {
  expect(() => barChart({ title: 'ms', bars: [{ name: 'odd', value }] })).toThrow(`bar "odd": expected finite numbers from 0, got ${value}`)
})

test('no bars make an empty chart', () => {
  expect(barChart({ title: 'none', bars: [] })).toContain('none')
})
