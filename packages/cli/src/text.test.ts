import { expect, test } from 'vitest'
import { duration, nats, number, rangeOf, shellWord, table } from './text.ts'

test('numbers have their digits grouped, and as many after the point as are asked for', () => {
  expect([number(22295920), number(1.005, 2), number(0.5, 3)]).toEqual(['22,295,920', '1.01', '0.500'])
  expect([nats(-1.234), nats(null)]).toEqual(['-1.23', '-'])
  expect(rangeOf([-1, 1])).toBe('[-1, 1]')
})

test.each([
  [0.04, '0.0 s'],
  [9.94, '9.9 s'],
  [59.4, '59 s'],
  [174, '2.9 min'],
  [7200, '2.0 h'],
  [Number.NaN, '-'],
])('%d seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text))

test('a table sets its first column left and numbers right', () => {
  expect(
    table([
      ['layer', 'parameters'],
      ['a', '12'],
    ]),
  ).toBe('layer  parameters\na              12')
})

test('words of a command line are quoted where a shell would take them apart', () => {
  expect(['runs/mnist-1', 'a b', "it's", '$HOME', ''].map(shellWord)).toEqual(['runs/mnist-1', "'a b'", "'it'\\''s'", "'$HOME'", "''"])
})
