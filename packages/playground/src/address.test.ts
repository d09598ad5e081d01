import { expect, test } from 'vitest'
import { isSeed, oneOf, readSetting, within, writeSetting } from './address.ts'

test('what is written is read, beside other settings', () => {
  const hash = writeSetting(writeSetting('', 'seed', 7, 0), 'temperature', 0.8, 1)
  expect(hash).toBe('#seed=7&temperature=0.8')
  expect(readSetting(hash, 'seed', 0, isSeed)).toBe(7)
  expect(readSetting(hash, 'temperature', 1, within(0, 1.5))).toBe(0.8)
})

test('a setting that is as usual is left out', () => {
  expect(writeSetting('#seed=7&tab=score', 'seed', 0, 0)).toBe('#tab=score')
  expect(writeSetting('#seed=7', 'seed', 0, 0)).toBe('')
})

test.each(['#seed=-1', '#seed=x', '#seed=1.5', '#seed=1e99', '#', ''])('%s says no seed', (hash) => {
  expect(readSetting(hash, 'seed', 3, isSeed)).toBe(3)
})

test('a word that is none of those allowed is not taken', () => {
  const fits = oneOf(['sample', 'score'])
  expect(readSetting('#tab=score', 'tab', 'sample', fits)).toBe('score')
  expect(readSetting('#tab=other', 'tab', 'sample', fits)).toBe('sample')
})
