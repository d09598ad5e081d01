import { tensor } from '@niceflow/core'
import { expect, test } from 'vitest'
import { suitedTo } from './adapt.ts'
import { presets } from './presets.ts'

const table = {
  examples: tensor(
    'float32',
    [50, 2],
    Float32Array.from({ length: 100 }, (_, i) => i - 3),
  ),
  imageShape: null,
}
const images = { examples: tensor('uint8', [50, 4]), imageShape: [2, 2] } as const

test('numbers are standardised, on their own range, and fewer examples held out where there are few', () => {
  const standardised = { flow: { preprocessing: [{ kind: 'standardize' }], dataRange: [-3, 96] } }
  expect(suitedTo(table, presets.paper, {})).toEqual({ ...standardised, training: { validation: 5 } })
  expect(suitedTo(table, presets.small, {})).toEqual({ ...standardised, training: {} })
})

test('images keep the preset, but for how many are held out', () => {
  expect(suitedTo(images, presets.paper, {})).toEqual({ flow: {}, training: { validation: 5 } })
  const many = { examples: tensor('uint8', [20_000, 4]), imageShape: [2, 2] } as const
  expect(suitedTo(many, presets.paper, {})).toEqual({ flow: {}, training: {} })
})

test("a caller's wishes come first", () => {
  const changes = { flow: { preprocessing: [], dataRange: [0, 1] }, training: { validation: 49 } } as const
  expect(suitedTo(table, presets.paper, changes)).toEqual(changes)
})

test('a table of one number has a range all the same', () => {
  const one = { examples: tensor('float32', [50, 2], new Float32Array(100).fill(7)), imageShape: null }
  expect(suitedTo(one, presets.small, {}).flow!.dataRange).toEqual([7, 8])
})
