import { expect, it } from 'vitest'
import { fromFloat16, toFloat16 } from './float16.ts'

it('toFloat16(fromFloat16(bits)) ≡ bits, for every number', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = fromFloat16(bits)
    if (Number.isNaN(value)) expect(Number.isNaN(fromFloat16(toFloat16(value)))).toBe(true)
    else if (toFloat16(value) !== bits) expect.fail(`${bits.toString(16)} became ${value}, then ${toFloat16(value).toString(16)}`)
  }
})

it.each([
  [0x0000, 0],
  [0x8000, -0],
  [0x3c00, 1],
  [0xc000, -2],
  [0x7bff, 65504],
  [0x0400, 2 ** -14],
  [0x0001, 2 ** -24],
  [0x3555, 0.333251953125],
  [0x7c00, Number.POSITIVE_INFINITY],
])('the bits %i are %f', (bits, value) => {
  expect(fromFloat16(bits)).toBe(value)
})

it('a number between two half-precision numbers goes to the nearest, and from the middle to the even one', () => {
  let rounded = 0
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [low, high] = [fromFloat16(bits), fromFloat16(bits + 1)]
    const middle = (low + high) / 2
    const below = toFloat16(middle - (high - low) / 1e6)
    const above = toFloat16(middle + (high - low) / 1e6)
    if (below === bits && above === bits + 1 && toFloat16(middle) === bits + (bits % 2)) rounded++
  }
  expect(rounded).toBe(0x7bff)
  expect(toFloat16(65519)).toBe(0x7bff)
  expect(toFloat16(65520)).toBe(0x7c00)
  expect(toFloat16(-1e300)).toBe(0xfc00)
})
