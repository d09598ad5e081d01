import { rows, type Tensor, tensor } from '@niceflow/core'
import { expect, test } from 'vitest'
import { loadDataset } from '../load.ts'
import { hardImages, hardSets } from './sets.ts'

const { test: digits, train, imageShape: shape } = await loadDataset('mnist')
const few = rows(digits, 0, 40) as Tensor<'uint8'>
const names = Object.keys(hardSets)

const small = tensor(
  'uint8',
  [1, 16],
  Uint8Array.from({ length: 16 }, (_, i) => i),
)
const of = async (name: string): Promise<number[]> => Array.from((await hardImages(name, small, [4, 4])).data)

test('a turn by 90 degrees brings the last column to the top; four of them are none', async () => {
  expect((await of('rotated')).slice(0, 4)).toEqual([3, 7, 11, 15])
  let turned = few
  for (let i = 0; i < 4; i++) turned = await hardImages('rotated', turned, shape)
  expect(turned.data).toEqual(few.data)
})

test('inverted twice is not at all; faint is a quarter', async () => {
  expect(await of('inverted')).toEqual(Array.from({ length: 16 }, (_, i) => 255 - i))
  expect((await hardImages('inverted', await hardImages('inverted', few, shape), shape)).data).toEqual(few.data)
  expect(await of('faint')).toEqual(Array.from({ length: 16 }, (_, i) => i >> 2))
})

test('shuffled patches hold the same pixels, patch by patch, in another order for each image', async () => {
  const shuffled = await hardImages('patches', few, shape)
  const patches = (image: Uint8Array): string[] =>
    Array.from({ length: 16 }, (_, patch) => {
      const [top, left] = [7 * (patch >> 2), 7 * (patch % 4)]
      return Array.from({ length: 49 }, (_, at) => image[(top + Math.floor(at / 7)) * 28 + left + (at % 7)]).join()
    })
  for (let i = 0; i < 40; i++) {
    const [before, after] = [few, shuffled].map((images) => patches(rows(images, i, i + 1).data as Uint8Array))
    expect(after!.toSorted()).toEqual(before!.toSorted())
    expect(after).not.toEqual(before)
  }
  const twice = tensor('uint8', [2, 784], Uint8Array.from([...rows(few, 0, 1).data, ...rows(few, 0, 1).data]))
  const { data } = await hardImages('patches', twice, shape)
  expect(data.subarray(0, 784)).not.toEqual(data.subarray(784))
})

test('textured images are the digits, on a ground of many levels', async () => {
  const { data } = await hardImages('textured', few, shape)
  expect(few.data.every((level, at) => data[at]! >= level)).toBe(true)
  expect(new Set(data.filter((_, at) => few.data[at] === 0)).size).toBeGreaterThan(150)
})

test('ramps of grey are planes: no second differences beyond rounding, where nothing is clamped', async () => {
  const { data } = await hardImages('flat', few, shape)
  const inner = Array.from({ length: few.data.length }, (_, at) => at).filter((at) => at % 28 > 0 && at % 28 < 27)
  const bends = inner.filter((at) => data[at - 1]! > 0 && data[at + 1]! > 0 && data[at - 1]! < 255 && data[at + 1]! < 255)
  expect(bends.length).toBeGreaterThan(10_000)
  for (const at of bends) expect(Math.abs(data[at - 1]! + data[at + 1]! - 2 * data[at]!)).toBeLessThanOrEqual(2)
})

test('letters are drawn as MNIST has its digits: 20 pixels at most, their mass in the middle, as much ink', async () => {
  const { data } = await hardImages('letters', few, shape)
  const ink = (images: Uint8Array): number => images.reduce((sum, level) => sum + level, 0) / 255 / 40
  expect(ink(data) / ink(few.data)).toBeGreaterThan(0.5)
  expect(ink(data) / ink(few.data)).toBeLessThan(2)
  for (let i = 0; i < 40; i++) {
    const image = data.subarray(784 * i, 784 * (i + 1))
    const lit = Array.from(image, (level, at) => ({ level, x: at % 28, y: Math.floor(at / 28) })).filter(({ level }) => level > 0)
    const span = (axis: 'x' | 'y'): number => Math.max(...lit.map((one) => one[axis])) - Math.min(...lit.map((one) => one[axis])) + 1
    // A box of 20 pixels that begins within one touches 21.
    expect(Math.max(span('x'), span('y'))).toBeLessThanOrEqual(21)
    expect(Math.max(span('x'), span('y'))).toBeGreaterThanOrEqual(19)
    const mass = lit.reduce((sum, { level }) => sum + level, 0)
    for (const axis of ['x', 'y'] as const) {
      const centre = lit.reduce((sum, one) => sum + one.level * (one[axis] + 0.5), 0) / mass
      expect(Math.abs(centre - 14), `letter ${i}, ${axis}`).toBeLessThan(0.5)
    }
  }
})

test.each(names)('%s: an image is a function of the seed and its index alone', async (name) => {
  const whole = await hardImages(name, few, shape, { seed: 3 })
  expect((await hardImages(name, rows(few, 0, 7) as Tensor<'uint8'>, shape, { seed: 3 })).data).toEqual(whole.data.subarray(0, 7 * 784))
  const other = await hardImages(name, few, shape, { seed: 4 })
  expect(JSON.stringify(other) === JSON.stringify(whole)).toBe(['rotated', 'inverted', 'faint'].includes(name))
})

test('a hard set is a dataset by its name: other data, of the same sizes', async () => {
  const faint = await loadDataset('mnist:faint')
  expect(faint).toMatchObject({ name: 'mnist:faint', dim: 784, imageShape: shape })
  expect(faint.sha256).not.toBe((await loadDataset('mnist')).sha256)
  expect(faint.train.data[300]).toBe(train.data[300]! >> 2)
  expect([faint.train.dims, faint.test.dims]).toEqual([train.dims, digits.dims])
})

test('colour images are changed channel by channel, alike', async () => {
  // Each digit three times, as red, green and blue; the blue inverted.
  const four = rows(few, 0, 4) as Tensor<'uint8'>
  const coloured = tensor('uint8', [4, 3 * 784])
  for (let at = 0; at < coloured.data.length; at++) {
    const grey = few.data[Math.floor(at / 3)]!
    coloured.data[at] = at % 3 === 2 ? 255 - grey : grey
  }
  for (const name of names) {
    const [grey, colour] = [await hardImages(name, four, shape), await hardImages(name, coloured, [28, 28, 3])]
    const channel = (which: number): Uint8Array => colour.data.filter((_, at) => at % 3 === which)
    expect(channel(0), name).toEqual(grey.data)
    expect(channel(1), name).toEqual(grey.data)
    const drawn = ['letters', 'flat'].includes(name)
    expect(String(channel(2)) === String(grey.data), name).toBe(drawn)
  }
})

test('what no hard set can be made of is refused', async () => {
  await expect(loadDataset('mnist:upside')).rejects.toMatchObject({
    message: `hard set: expected ${names.join(', ')}, got upside`,
    usage: true,
  })
  await expect(hardImages('rotated', few, null)).rejects.toThrow('hard set rotated: expected images to make it of, got data without rows')
  await expect(hardImages('rotated', few, [14, 56])).rejects.toThrow('hard set rotated: expected square images, got [14, 56]')
  await expect(hardImages('patches', few, [16, 49])).rejects.toThrow('hard set patches: expected sides that 4 divides, got [16, 49]')
})
