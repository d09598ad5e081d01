import fc from 'fast-check'
import { expect, test } from 'vitest'
import { domainOf, robustDomain, ticksOf } from './axis.ts'

test('a steep start does not flatten the rest: far outliers below are left out of the domain', () => {
  expect(robustDomain([-10214, 1301, 1502, 1620, 1700, 1752, 1790, 1259, 1480, 1585, 1648, 1690, 1712, 1725], [], 6)).toEqual([1200, 1800])
})

test('values of one spread are all in the domain', () => {
  const [low, high] = robustDomain(
    Array.from({ length: 101 }, (_, i) => i),
    [],
    6,
  )
  expect([low, high]).toEqual([0, 100])
})

test('no more than a quarter of the values is left out, none of them above, and no reference', () => {
  const level = fc.double({ min: -1e5, max: 1e5, noNaN: true })
  const law = fc.property(fc.array(level, { minLength: 1, maxLength: 40 }), fc.array(level), (values, references) => {
    const [low, high] = robustDomain(values, references, 6)
    expect(values.filter((value) => value < low).length).toBeLessThanOrEqual(values.length / 4)
    expect(Math.max(...values, ...references)).toBeLessThanOrEqual(high)
    expect(Math.min(high, ...references)).toBeGreaterThanOrEqual(low)
  })
  fc.assert(law, { seed: 1 })
})

test('one value has room on both sides, and none an axis all the same', () => {
  expect(domainOf([50])).toEqual([45, 55])
  expect(domainOf([0])).toEqual([-1, 1])
  expect(domainOf([])).toEqual([0, 1])
  expect(robustDomain([], [], 6)).toEqual([0, 1])
  expect(robustDomain([5, 5, 5], [], 6)[0]).toBeLessThan(5)
})

test('ticks are round and written alike; an axis of whole numbers has only these', () => {
  expect(ticksOf([0, 1], 5).map(({ text }) => text)).toEqual(['0.0', '0.2', '0.4', '0.6', '0.8', '1.0'])
  expect(ticksOf([1, 3], 10, true)).toEqual([
    { value: 1, text: '1' },
    { value: 2, text: '2' },
    { value: 3, text: '3' },
  ])
  expect(ticksOf([-20000, 2000], 3).map(({ text }) => text)).toEqual(['−20,000', '−10,000', '0'])
})
