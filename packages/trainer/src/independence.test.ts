import { fillUniform, type Manifest, quantiles, streamKey, type Tensor, tensor } from '@niceflow/core'
import { Flow, type Session } from '@niceflow/runtime'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { covarianceSums } from './covariance.ts'
import { correlationsOf, latentIndependence } from './independence.ts'

const dim = 40

/** A flow that changes nothing: its latents are the examples. */
function identity(prior: 'logistic' | 'gaussian'): Flow {
  const session = (input: string, outputs: readonly string[]): Session => ({
    inputNames: [input],
    outputNames: outputs,
    device: 'cpu',
    run: async (feeds) => {
      const rows = feeds[input]!
      return Object.fromEntries(outputs.map((name) => [name, name === 'log_likelihood' ? tensor('float32', [rows.dims[0]!]) : rows]))
    },
    dispose: async () => {},
  })
  const model = { dim, prior, dataRange: [0, 1], pixels: false, imageShape: null } as const
  return new Flow({
    manifest: { model } as unknown as Manifest,
    encoder: session('x', ['z', 'log_likelihood']),
    decoder: session('z', ['x']),
  })
}

const n = 2500
/** Independent draws of a prior, changed row by row. */
function draws(prior: 'logistic' | 'gaussian', change: (row: Float32Array) => void = () => {}): Tensor<'float32'> {
  const rows = tensor('float32', [n, dim])
  for (let i = 0; i < n; i++) {
    const row = rows.data.subarray(i * dim, (i + 1) * dim)
    fillUniform(streamKey(1, 'probe', i), row)
    row.set(row.map(quantiles[prior]))
    change(row)
  }
  return rows
}

const held = (examples: Tensor<'float32'>, prior: 'logistic' | 'gaussian' = 'logistic') =>
  latentIndependence(identity(prior), { examples, indices: Uint32Array.from({ length: n }, (_, i) => i) })

test.each(['logistic', 'gaussian'] as const)('draws of a %s prior are as near to it as chance has it', async (prior) => {
  const { examples, marginals, values, magnitudes } = await held(draws(prior), prior)
  expect(examples).toBe(n)
  /** Five standard errors of the mean of 40 distances, whose deviation is 0.3 of their mean. */
  expect(Math.abs(marginals.mean / marginals.meanByChance - 1)).toBeLessThan((5 * 0.3) / Math.sqrt(dim))
  /** One dimension in a hundred is beyond by chance: of 40, more than four in a case of a hundred thousand. */
  expect(marginals.beyond).toBeLessThanOrEqual(4 / dim)
  for (const { largest, largestByChance, rms, rmsByChance } of [values, magnitudes]) {
    /** A fifth either way: 780 pairs know their root mean square to 2.5 %, and the largest of them varies by a twelfth. */
    expect(Math.abs(rms / rmsByChance - 1)).toBeLessThan(0.2)
    expect(Math.abs(Math.abs(largest.value) / largestByChance - 1)).toBeLessThan(0.5)
  }
})

test('a latent that is spread otherwise is found', async () => {
  const { marginals } = await held(
    draws('logistic', (row) => {
      row[17]! *= 2
      row[3]! *= 1.3
    }),
  )
  expect(marginals.worst).toEqual({ dimension: 17, distance: marginals.distances[17] })
  expect([...marginals.distances].sort((a, b) => b - a).slice(0, 2)).toEqual([marginals.distances[17], marginals.distances[3]])
  // Between F(z) and F(z / 2) of the standard logistic: at z = 1.77 the most, 0.8543 - 0.7079.
  expect(Math.abs(marginals.worst.distance - 0.1464)).toBeLessThan(marginals.critical)
  expect(marginals.beyond).toBeGreaterThanOrEqual(2 / dim)
})

test('latents that depend on one another are found, by their values or by their magnitudes alone', async () => {
  const shared = await held(
    draws('logistic', (row) => {
      row[5] = 0.6 * row[30]! + 0.8 * row[5]!
    }),
  )
  expect(shared.values.largest.dimensions).toEqual([5, 30])
  expect(Math.abs(shared.values.largest.value - 0.6)).toBeLessThan(0.1)

  const together = await held(
    draws('logistic', (row) => {
      row[9] = Math.sign(row[9]!) * Math.abs(row[8]!)
    }),
  )
  expect(together.magnitudes.largest).toEqual({ dimensions: [8, 9], value: expect.closeTo(1, 6) })
  expect(Math.abs(together.values.largest.value)).toBeLessThan(2 * together.values.largestByChance)
})

test('correlations are those of the definition', () => {
  const value = fc.double({ min: -10, max: 10, noNaN: true })
  fc.assert(
    fc.property(fc.array(fc.tuple(value, value, value), { minLength: 3, maxLength: 12 }), (rows) => {
      const sums = covarianceSums(3)
      sums.add(rows.flat())
      const { largest, rms } = correlationsOf(sums.covariance(), 3, rows.length)
      const columns = [0, 1, 2].map((d) => rows.map((row) => row[d]!))
      const centred = columns.map((column) => column.map((x) => x - column.reduce((sum, y) => sum + y, 0) / column.length))
      const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
      // Columns that hardly vary leave nothing but rounding to compare.
      fc.pre(centred.every((column) => dot(column, column) > 1e-3))
      const pairs = [
        [0, 1],
        [0, 2],
        [1, 2],
      ].map(([i, j]) => {
        const [a, b] = [centred[i!]!, centred[j!]!]
        return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
      })
      /** Float64, columns that vary by a hundredth of their size. */
      const rounding = 1e-7
      expect(Math.abs(Math.abs(largest.value) - Math.max(...pairs.map(Math.abs)))).toBeLessThan(rounding)
      expect(Math.abs(rms - Math.sqrt(dot(pairs, pairs) / 3))).toBeLessThan(rounding)
    }),
  )
})

test('a column that never varies is correlated with nothing', () => {
  const sums = covarianceSums(2)
  sums.add([1, 2, 1, 5, 1, 9])
  expect(correlationsOf(sums.covariance(), 2, 3).largest.value).toBe(0)
})

test('progress counts examples, and too few are refused', async () => {
  const told: number[][] = []
  const examples = draws('logistic')
  await latentIndependence(
    identity('logistic'),
    { examples, indices: Uint32Array.from({ length: 1200 }, (_, i) => i) },
    { onProgress: (...p) => told.push(p) },
  )
  expect(told).toEqual([
    [1000, 1200],
    [1200, 1200],
  ])
  await expect(latentIndependence(identity('logistic'), { examples, indices: Uint32Array.of(0, 1, 2, 3) })).rejects.toThrow(
    'examples: expected 5 or more, got 4',
  )
})
