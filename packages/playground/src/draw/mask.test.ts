import { expect, test } from 'vitest'
import { brush, isFillable, maskChoices, maskOf } from './mask.ts'
import { side } from './strokes.ts'

const hidden = (mask: Float32Array): number => mask.filter((value) => value === 0).length

test('the brush hides a disc, and shows it again', () => {
  const clear = maskOf('none')
  const once = brush(clear, [0.5, 0.5], true)
  // The disc's area is 15.2 pixels.
  expect(hidden(once)).toBe(16)
  expect(once[(side / 2) * side + side / 2]).toBe(0)
  expect(brush(once, [0.5, 0.5], false)).toEqual(clear)
  expect(hidden(brush(clear, [0, 0], true))).toBe(4)
})

test('every mask by name can be filled, but that which hides nothing', () => {
  expect(maskChoices.filter((name) => !isFillable(maskOf(name)))).toEqual(['none'])
  expect(isFillable(new Float32Array(side * side))).toBe(false)
})
