import { expect, test } from 'vitest'
import { makeMasks, maskNames } from './index.ts'

const shape = [28, 28] as const
const at = (mask: Float32Array, row: number, column: number): number => mask[28 * row + column]!
const hidden = (mask: Float32Array): number => mask.filter((value) => value === 0).length

/** What the paper's figure 6 hides, by rows and columns counted from 0. */
const regions: Readonly<Record<string, (row: number, column: number) => boolean>> = {
  top: (row) => row <= 13,
  bottom: (row) => row >= 14,
  'even-columns': (_, column) => column % 2 === 0,
  'odd-columns': (_, column) => column % 2 === 1,
  left: (_, column) => column <= 13,
  right: (_, column) => column >= 14,
  'middle-rows': (row) => row >= 7 && row <= 20,
  'middle-columns': (_, column) => column >= 7 && column <= 20,
}

test('the ten masks of the paper, in its order', () => {
  expect(maskNames).toEqual([...Object.keys(regions), 'random-75', 'random-90'])
  for (const [name, hides] of Object.entries(regions)) {
    const mask = makeMasks(name, shape, 1)
    for (let row = 0; row < 28; row++) {
      for (let column = 0; column < 28; column++) expect(at(mask, row, column), `${name} ${row},${column}`).toBe(hides(row, column) ? 0 : 1)
    }
  }
})

test('random masks hide their share, each example its own, by seed and index alone', () => {
  const [count, dim] = [40, 784]
  for (const percent of [10, 75, 90]) {
    const masks = makeMasks(`random-${percent}`, shape, count, { seed: 3 })
    const share = percent / 100
    // Four standard errors of a share of 31,360 draws.
    expect(Math.abs(hidden(masks) / masks.length - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / masks.length))
    expect(makeMasks(`random-${percent}`, shape, 3, { seed: 3, firstIndex: 5 })).toEqual(masks.subarray(5 * dim, 8 * dim))
    expect(masks.subarray(0, dim)).not.toEqual(masks.subarray(dim, 2 * dim))
    expect(makeMasks(`random-${percent}`, shape, count, { seed: 4 })).not.toEqual(masks)
  }
})

test('a pixel of a colour image is hidden with all its channels, the same pixels as in a grey one', () => {
  for (const name of ['left', 'random-75']) {
    const [grey, colour] = [makeMasks(name, [4, 6], 2, { seed: 5 }), makeMasks(name, [4, 6, 3], 2, { seed: 5 })]
    expect([...colour]).toEqual([...grey].flatMap((observed) => [observed, observed, observed]))
  }
})

test('a rectangle hides its pixels and no others', () => {
  const mask = makeMasks('rect:2,3,4,5', shape, 2)
  expect(hidden(mask)).toBe(2 * 4 * 5)
  expect([at(mask, 2, 3), at(mask, 5, 7), at(mask, 1, 3), at(mask, 6, 7), at(mask, 2, 2), at(mask, 5, 8)]).toEqual([0, 0, 1, 1, 1, 1])
})

test.each([
  ['top-half', /^mask: expected one of top, bottom, .*; random-PERCENT; or rect:row,column,height,width, got top-half$/],
  ['constructor', /got constructor$/],
  ['random-100', /got random-100$/],
  ['rect:1,2,3', /got rect:1,2,3$/],
  ['rect:0,0,0,5', /^mask: expected a rectangle within 28 rows and 28 columns, got rect:0,0,0,5$/],
  ['rect:20,0,9,5', /^mask: expected a rectangle within 28 rows and 28 columns, got rect:20,0,9,5$/],
  ['rect:0,-1,2,2', /got rect:0,-1,2,2$/],
])('%s is no mask', (name, message) => {
  expect(() => makeMasks(name, shape, 1)).toThrow(message)
})
