import { distributions, type Manifest, quantiles, tensor } from '@niceflow/core'
import { expect, test } from 'vitest'
import { failure, logScales, tinyManifest, tinySessions } from './fake.fixture.ts'
import { byImportance, Flow, latentReach, latentScales, sweepProbabilities } from './index.ts'

function tinyFlow(model: Partial<Manifest['model']> = {}): Flow {
  return new Flow({ manifest: { ...tinyManifest, model: { ...tinyManifest.model, ...model } }, ...tinySessions() })
}

const flow = tinyFlow()
/** Latents of some units, rounded to float32 on the way out and on the way in. */
const rounding = 1e-6

test('a sweep puts one dimension at a time to quantiles of the prior', async () => {
  for (const prior of ['logistic', 'gaussian'] as const) {
    const probabilities = [0.1, 0.5, 0.8]
    const { z, x } = await tinyFlow({ prior }).traverse({ dimensions: [2, 0], probabilities, temperature: 0.5 })
    expect(z.dims).toEqual([1, 2, 3, 3])
    const values = probabilities.map((p) => 0.5 * quantiles[prior](p))
    const expected = [...values.map((value) => [0, 0, value]), ...values.map((value) => [value, 0, 0])].flat()
    expect(z.data).toEqual(Float32Array.from(expected))
    expect(x).toEqual(tensor('float32', [1, 2, 3, 3], (await flow.decode(z.data)).data))
  }
})

test('from examples, all other dimensions stay as they are', async () => {
  const pixels = Uint8Array.of(0, 100, 255, 7, 8, 9)
  const { z, start } = await flow.traverse({ from: pixels, dimensions: [1], probabilities: [0.3, 0.6], seed: 4, firstIndex: 1 })
  expect(z.dims).toEqual([2, 1, 2, 3])
  expect(start).toEqual((await flow.encode(pixels, { seed: 4, firstIndex: 1 })).z)
  for (const [row, data] of [0, 1].flatMap((i) => [0, 1].map((p) => [i, z.data.subarray(6 * i + 3 * p, 6 * i + 3 * p + 3)] as const))) {
    expect([data[0], data[2]]).toEqual([start.data[3 * row], start.data[3 * row + 2]])
  }
  expect([z.data[1], z.data[4]]).toEqual([0.3, 0.6].map((p) => Math.fround(quantiles.logistic(p))))
})

test("at an example's own quantile the sweep passes the example", async () => {
  const from = Float32Array.of(0.3, -0.7, 1.5)
  const { z } = await flow.encode(from)
  for (const dimension of [0, 1, 2]) {
    const own = distributions.logistic(z.data[dimension]!)
    const { x } = await flow.traverse({ from, dimensions: [dimension], probabilities: [0.01, own, 0.99] })
    expect(Math.max(...from.map((value, d) => Math.abs(x.data[3 + d]! - value)))).toBeLessThan(rounding)
    expect(Math.abs(x.data[dimension]! - from[dimension]!)).toBeGreaterThan(0.1)
  }
})

test('the quantiles of its own are symmetric, and ascend', () => {
  const sums = sweepProbabilities.map((p, i) => p + sweepProbabilities.at(-1 - i)!)
  expect(Math.max(...sums.map((sum) => Math.abs(sum - 1)))).toBeLessThan(rounding)
  expect([...sweepProbabilities].sort((a, b) => a - b)).toEqual(sweepProbabilities)
})

test.each<[string, Partial<Parameters<Flow['traverse']>[0]>, string]>([
  ['no dimension', { dimensions: [] }, 'number of dimensions: expected an integer from 1, got 0'],
  ['a dimension there is not', { dimensions: [0, 3] }, 'dimensions: expected integers from 0 to 2, got 3'],
  ['half a dimension', { dimensions: [0.5] }, 'dimensions: expected integers from 0 to 2, got 0.5'],
  ['no quantile', { probabilities: [] }, 'number of probabilities: expected an integer from 1, got 0'],
  ['an end that is infinitely far', { probabilities: [0.5, 1] }, 'probabilities: expected numbers between 0 and 1, got 1'],
  ['NaN', { probabilities: [Number.NaN] }, 'probabilities: expected numbers between 0 and 1, got NaN'],
  ['a negative temperature', { temperature: -1 }, 'temperature: expected a finite number from 0, got -1'],
])('%s is refused', async (_, options, message) => {
  expect((await failure(flow.traverse({ dimensions: [0], ...options }))).message).toBe(message)
})

test('samples of some dimensions have these as all samples have them, and the others at the mode', async () => {
  const [all, some] = [
    await flow.sample(4, { seed: 2, temperature: 0.8 }),
    await flow.sample(4, { seed: 2, temperature: 0.8, dimensions: [2, 0] }),
  ]
  // The tiny flow has no couplings: a latent that is 0 is a number that is 0.
  expect([...some.data].map((value) => value + 0)).toEqual([...all.data].map((value, i) => (i % 3 === 1 ? 0 : value)))
  const none = await flow.sample(4, { dimensions: [] })
  expect(none.data.every((value) => value === 0)).toBe(true)
  expect((await failure(flow.sample(1, { dimensions: [-1] }))).message).toBe('dimensions: expected integers from 0 to 2, got -1')
})

test('a dimension is as important as exp(-s) is large, and equals keep their order', async () => {
  const scales = latentScales({ logScale: logScales })
  expect([...scales]).toEqual(logScales.map((s) => Math.exp(-s)))
  expect(byImportance(scales)).toEqual([2, 0, 1])
  expect(byImportance([1, 3, 3, 1])).toEqual([1, 2, 0, 3])
  expect(await failure(Promise.resolve().then(() => latentScales({})))).toEqual({
    message: "the model's facts: expected logScale, got none",
    remedy: 'export the bundle again, with this version of niceflow',
  })
})

test('a latent reaches as far as the data move from its lower quartile to its upper one', async () => {
  const told: number[][] = []
  const reach = await latentReach(flow, { draws: 2, seed: 3, onProgress: (...progress) => told.push(progress) })
  // The tiny flow has no couplings: all samples move alike.
  const quartiles = quantiles.logistic(0.75) - quantiles.logistic(0.25)
  expect(Math.max(...logScales.map((s, d) => Math.abs(Math.exp(-s) * quartiles - reach[d]!)))).toBeLessThan(3 * rounding)
  expect(told).toEqual([
    [1, 2],
    [2, 2],
  ])
})
