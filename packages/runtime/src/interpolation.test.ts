import { distributions, fillUniform, kolmogorovCritical, kolmogorovDistance, quantiles, streamKey, tensor } from '@niceflow/core'
import { describe, expect, test } from 'vitest'
import { failure, tinyManifest, tinySessions } from './fake.fixture.ts'
import { Flow, type InterpolationKind, interpolationKinds } from './index.ts'
import { latentPath } from './interpolation.ts'

const flow = new Flow({ manifest: tinyManifest, ...tinySessions() })
const pixels = Uint8Array.of(0, 100, 255, 7, 8, 9)
const others = Uint8Array.of(200, 201, 202, 1, 2, 3)

/** Float32 on the way to a row and back. */
const rounding = 1e-6

const path = (
  a: readonly number[],
  b: readonly number[],
  steps: number,
  kind: InterpolationKind,
  prior: 'logistic' | 'gaussian' = 'logistic',
) => {
  const flat = latentPath(Float32Array.from(a), Float32Array.from(b), { steps, kind, prior })
  return Array.from({ length: steps }, (_, i) => [...flat.subarray(i * a.length, (i + 1) * a.length)])
}

function expectNear(found: readonly (readonly number[])[], expected: readonly (readonly number[])[]): void {
  expect(found.map((row) => row.length)).toEqual(expected.map((row) => row.length))
  const differences = found.flatMap((row, i) => row.map((value, d) => Math.abs(value - expected[i]![d]!)))
  expect(Math.max(...differences)).toBeLessThan(rounding)
}

describe('the path between two latents', () => {
  test.each(interpolationKinds)('%s: has the ends that it was given, to the last bit, however far out', (kind) => {
    const [a, b] = [Float32Array.of(0.1, -7, 900, 0), Float32Array.of(-3000, 1e-30, 2.5, 0)]
    const flat = latentPath(a, b, { steps: 5, kind, prior: 'logistic' })
    expect([flat.subarray(0, 4), flat.subarray(16)]).toEqual([a, b])
    expect(flat.every(Number.isFinite)).toBe(true)
  })

  test.each(interpolationKinds)('%s: from a latent to itself stays there', (kind) => {
    expectNear(path([0.3, -2, 5], [0.3, -2, 5], 4, kind), new Array(4).fill([0.3, -2, 5]))
  })

  test.each(interpolationKinds)('%s: there and back are one path', (kind) => {
    expectNear(path([0.3, -2, 5], [1, 0.5, -4], 6, kind), path([1, 0.5, -4], [0.3, -2, 5], 6, kind).reverse())
  })

  test('linear: shares of the ends', () => {
    expectNear(
      path([0, 4], [8, 0], 5, 'linear'),
      [0, 1, 2, 3, 4].map((i) => [2 * i, 4 - i]),
    )
  })

  test('spherical: the circle between two perpendicular latents', () => {
    const angles = [0, 1, 2, 3, 4, 5, 6].map((i) => (i * Math.PI) / 12)
    expectNear(
      path([3, 0], [0, 3], 7, 'spherical'),
      angles.map((angle) => [3 * Math.cos(angle), 3 * Math.sin(angle)]),
    )
  })

  test('spherical: a line where there is no one arc', () => {
    expectNear(
      path([1, 2], [-1, -2], 3, 'spherical'),
      [0, 1, 2].map((i) => [1 - i, 2 - 2 * i]),
    )
    expectNear(
      path([0, 0], [4, 2], 3, 'spherical'),
      [0, 1, 2].map((i) => [2 * i, i]),
    )
  })

  test('quantile: the arc between normal scores, so the same as spherical for a Gaussian prior', () => {
    expect(path([1, 2, -1], [0, -3, 1], 5, 'quantile', 'gaussian')).toEqual(path([1, 2, -1], [0, -3, 1], 5, 'spherical', 'gaussian'))
    // Scores of 1 and -1, whose probabilities are 0.841 and 0.159.
    const z = quantiles.logistic(0.841344746068543)
    // Halfway on a quarter of a circle: scores of sqrt(1/2), whose probability is 0.7602.
    const middle = quantiles.logistic(0.760249938906523)
    expectNear(path([z, 0], [0, -z], 3, 'quantile').slice(1, 2), [[middle, -middle]])
  })
})

describe('between independent draws of the prior', () => {
  const [pairs, dim] = [400, 100]
  const draw = (index: number, prior: keyof typeof quantiles): Float32Array => {
    const z = new Float32Array(dim)
    fillUniform(streamKey(3, 'probe', index), z)
    return z.map(quantiles[prior])
  }
  /** sup |F_n - F| of the latents at 1/4 and at 1/2 of the way, all pairs and dimensions together. */
  const distances = (kind: InterpolationKind, prior: keyof typeof quantiles): number[] =>
    [1, 2].map((step) => {
      const found = Array.from({ length: pairs }, (_, i) => [
        ...latentPath(draw(2 * i, prior), draw(2 * i + 1, prior), { steps: 5, kind, prior }).subarray(step * dim, (step + 1) * dim),
      ])
      return kolmogorovDistance(Float64Array.from(found.flat()).sort(), distributions[prior])
    })
  /** One sample in 10,000 of the prior itself is farther off. */
  const limit = kolmogorovCritical(pairs * dim, 1e-4)

  test.each(['logistic', 'gaussian'] as const)('the quantile path keeps the marginals of a %s prior', (prior) => {
    for (const distance of distances('quantile', prior)) expect(distance).toBeLessThan(limit)
  })

  test('the linear path does not, and neither does the spherical one where the prior is logistic', () => {
    for (const distance of distances('linear', 'logistic')) expect(distance).toBeGreaterThan(3 * limit)
    expect(distances('spherical', 'logistic')[1]).toBeGreaterThan(limit)
    for (const distance of distances('spherical', 'gaussian')) expect(distance).toBeLessThan(limit)
  })
})

describe('Flow.interpolate', () => {
  test('goes from each example to the one in its place, whose pixels are drawn behind', async () => {
    const { x, z } = await flow.interpolate(pixels, others, { steps: 4, seed: 5, firstIndex: 2 })
    expect([x.dims, z.dims]).toEqual([
      [2, 4, 3],
      [2, 4, 3],
    ])
    const [a, b] = [await flow.encode(pixels, { seed: 5, firstIndex: 2 }), await flow.encode(others, { seed: 5, firstIndex: 4 })]
    for (const i of [0, 1]) {
      expect(z.data.subarray(12 * i, 12 * i + 3)).toEqual(a.z.data.subarray(3 * i, 3 * i + 3))
      expect(z.data.subarray(12 * i + 9, 12 * i + 12)).toEqual(b.z.data.subarray(3 * i, 3 * i + 3))
    }
    expect(x.data).toEqual((await flow.decode(z.data)).data)
    expect((await flow.interpolate(pixels, others)).z.data).toEqual(
      (await flow.interpolate(pixels, others, { steps: 9, kind: 'quantile' })).z.data,
    )
  })

  test.each<[string, () => Promise<unknown>, string]>([
    ['one step', () => flow.interpolate(pixels, others, { steps: 1 }), 'steps: expected an integer from 2, got 1'],
    [
      'a kind there is not',
      () => flow.interpolate(pixels, others, { kind: 'cubic' as never }),
      'kind: expected linear, spherical, quantile, got cubic',
    ],
    ['fewer to go to', () => flow.interpolate(pixels, others.subarray(3)), 'examples to go to: expected 2, as many as to go from, got 1'],
    ['another shape', () => flow.interpolate(pixels, tensor('float32', [3, 2])), 'x: expected float32 or uint8 [n, 3], got float32 [3, 2]'],
  ])('%s is refused', async (_, act, message) => {
    expect((await failure(act())).message).toBe(message)
  })
})
