import { expect, test } from 'vitest'
import { markovImages, measureWhiteningTime } from './benchmark-whitening.ts'
import { toyImages } from './tiny.fixture.ts'

test('the colour images go with their neighbours and colours as they are said to', () => {
  const { dims, data } = markovImages(80)
  const dim = dims[1]!
  /** Of pixels so many places apart, where there are some, over all images. */
  const correlation = (apart: number, within: (d: number) => boolean): number => {
    let [products, squares] = [0, 0]
    for (let at = apart; at < data.length; at++) {
      if (at % dim < apart || !within(at % dim)) continue
      products += (data[at]! - 127.5) * (data[at - apart]! - 127.5)
      squares += (data[at]! - 127.5) ** 2
    }
    return products / squares
  }
  expect(dims).toEqual([80, 3072])
  expect(correlation(96, () => true)).toBeCloseTo(0.95, 1)
  expect(correlation(3, (d) => d % 96 >= 3)).toBeCloseTo(0.95, 1)
  expect(correlation(1, (d) => d % 3 > 0)).toBeCloseTo(0.9, 1)
  expect(markovImages(2).data).toEqual(data.subarray(0, 2 * dim))
})

test('a whitening is measured with what it came to', async () => {
  const { name, examples } = toyImages(200)
  const figure = await measureWhiteningTime({ name, examples: examples as never, epsilon: 0 }, {})
  expect(figure).toMatchObject({ data: 'toy', examples: 200, dim: 4, epsilon: 0, residual: expect.closeTo(0, 4) })
  expect(figure.covarianceSeconds).toBeGreaterThan(0)
  expect(figure.seconds).toBeGreaterThan(figure.covarianceSeconds)
})
