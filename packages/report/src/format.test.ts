import { expect, test } from 'vitest'
import { formatDuration, formatNumber } from './format.ts'

test('numbers are read as in print', () => {
  expect(formatNumber(1980.5)).toBe('1980.5')
  expect(formatNumber(1980.5, 2, true)).toBe('1980.50')
  expect(formatNumber(-10214.126)).toBe('−10,214.13')
  expect(formatNumber(60000)).toBe('60,000')
  expect(formatNumber(2040.6, 0)).toBe('2041')
  expect([Number.NaN, Infinity].map((value) => formatNumber(value))).toEqual(['–', '–'])
})

test('durations take the unit that suits them', () => {
  expect([0, 59.4, 59.6, 171, 3596, 3597, 5912, 86399].map(formatDuration)).toEqual([
    '0 s',
    '59 s',
    '1 min',
    '2.9 min',
    '59.9 min',
    '1 h 0 min',
    '1 h 39 min',
    '24 h 0 min',
  ])
  expect(formatDuration(Number.NaN)).toBe('–')
})
