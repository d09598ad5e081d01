import { cellWidth, rows, streamKey, type Tensor, tensor, uniform } from '@niceflow/core'
import { nice, paperMnist } from '@niceflow/flow'
import { openSession } from '@niceflow/runtime-node'
import { describe, expect, it } from 'vitest'
import { newtonSchulzFactors } from './matrix-root.ts'
import { type MomentsOptions, measureMoments } from './moments.ts'
import type { OpenSession } from './onnxruntime.ts'
import { pivots } from './pivots.ts'
import { type MeasuredWhitening, measureWhitening } from './whitening.ts'

const open: OpenSession = (model) => openSession(model, { device: 'cpu' })

/** The order of the log-determinant that was asked for. */
const nats = 1e-3
/** W in float32: 6e-8 of entries of some tens, in sums of as many. */
const float32 = 1e-4
/** The same, of what is found in float64. */
const float64 = 1e-9

const draws = (count: number, index = 0): Float32Array => uniform(streamKey(4, 'probe', index), count)

/** Dense float64 by loops and nothing of ours: [n, n] x [n, n]. */
function product(a: ArrayLike<number>, b: ArrayLike<number>, n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => {
    let sum = 0
    for (let k = 0; k < n; k++) sum += a[Math.floor(at / n) * n + k]! * b[k * n + (at % n)]!
    return sum
  })
}

const identity = (n: number): Float64Array => Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0))
const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)

/** Q diag(lambda) Q' with the reflection Q = I - 2 v v' / |v|^2: a covariance whose every function is known in closed form. */
function reflected(lambda: readonly number[]): { of: (f: (value: number) => number) => Float64Array } {
  const n = lambda.length
  const v = draws(n)
  const norm = v.reduce((sum, value) => sum + value * value, 0)
  const q = identity(n).map((value, at) => value - (2 * v[Math.floor(at / n)]! * v[at % n]!) / norm)
  return {
    of: (f) =>
      product(
        product(
          q,
          identity(n).map((value, at) => value * f(lambda[at % n]!)),
          n,
        ),
        q,
        n,
      ),
  }
}

describe('the root of a matrix', () => {
  it('takes few steps, however far apart its eigenvalues are', () => {
    expect([1e-1, 1e-4, 1e-7].map((least) => newtonSchulzFactors(least).length)).toEqual([7, 14, 22])
  })

  it('has pivots that give the logarithm of its determinant, and count eigenvalues below a shift', () => {
    const lambda = [4, 3, 2, 1, 0.5, 1e-3, 0, 0, 7]
    const matrix = reflected(lambda).of((value) => value)
    expect(pivots(matrix, 9, 1e-6).filter((pivot) => pivot < 0)).toHaveLength(2)
    expect(pivots(matrix, 9, 2.5).filter((pivot) => pivot < 0)).toHaveLength(6)
    const positive = reflected(lambda.map((value) => value + 1)).of((value) => value)
    const logDet = lambda.reduce((sum, value) => sum + Math.log(value + 1), 0)
    expect(Math.abs(pivots(positive, 9).reduce((sum, pivot) => sum + Math.log(pivot), 0) - logDet)).toBeLessThan(float64)
  })
})

/** 2 n rows whose covariance is exactly that of the reflection, up to float32: +-sqrt(n) columns of its root. */
const lambda = [9, 4, 2, 1, 0.3, 0.01]
const exactRows = (mean: number): Tensor<'float32'> => {
  const n = lambda.length
  const root = reflected(lambda).of(Math.sqrt)
  return tensor(
    'float32',
    [2 * n, n],
    Float32Array.from({ length: 2 * n * n }, (_, at) => mean + (at < n * n ? 1 : -1) * Math.sqrt(n) * root[at % (n * n)]!),
  )
}

describe('whitening', () => {
  const source = (examples: Tensor<'float32'>) => ({
    rows: async function* () {
      // In pieces, as large data come.
      yield rows(examples, 0, 2)
      yield rows(examples, 2, examples.dims[0]!)
    },
    dim: examples.dims[1]!,
    low: 0,
    scale: 1,
    noise: 0,
  })

  it.each([0, 0.1])('of data of a known covariance is its inverse root in closed form (epsilon %f)', async (epsilon) => {
    const seen: number[] = []
    const onProgress = ({ done, total }: { done: number; total: number }): void => void seen.push(done / total)
    const found = await measureWhitening(source(exactRows(3)), { epsilon, open, count: 12, onProgress })
    const root = (power: number) => reflected(lambda).of((value) => (value + epsilon) ** power)
    expect(farthest(found.matrix, root(-0.5))).toBeLessThan(float32)
    expect(farthest(found.inverse, root(0.5))).toBeLessThan(float32)
    expect(farthest(found.mean, new Float32Array(6).fill(3))).toBeLessThan(float32)
    const logDet = lambda.reduce((sum, value) => sum - Math.log(value + epsilon) / 2, 0)
    expect(Math.abs(found.logDet - logDet)).toBeLessThan(nats)
    expect(found.residual).toBeLessThan(float32)
    expect(seen.filter((share) => share === 1)).toHaveLength(2)
  })

  it('refuses to be exact in directions of no variance, and says how many; an epsilon lets them be', async () => {
    const wide = tensor('float32', [4, 7], draws(28))
    const options = { open, count: 4 }
    await expect(measureWhitening(source(wide), { ...options, epsilon: 0 })).rejects.toThrow(
      'directions, of 7, in which examples do not vary, as where a pixel is constant or examples are few: expected none for exact whitening (epsilon 0), got 4',
    )
    const constant = tensor(
      'float32',
      [8, 3],
      draws(24).map((value, i) => (i % 3 === 1 ? 5 : value)),
    )
    await expect(measureWhitening(source(constant), { ...options, epsilon: 0 })).rejects.toMatchObject({
      message: expect.stringContaining('got 1'),
      remedy: expect.stringContaining('--preprocessing whiten:zca:1e-3'),
    })
    const same = tensor('float32', [3, 2])
    await expect(measureWhitening(source(same), { ...options, epsilon: 0 })).rejects.toThrow('got 2')
    expect((await measureWhitening(source(wide), { ...options, epsilon: 1e-3 })).residual).toBeLessThan(float32)
    await expect(measureWhitening(source(wide), { ...options, epsilon: 1e-40 })).rejects.toThrow('whitening with epsilon 1e-40')
  })
})

describe('the whitening of pixels', () => {
  const [count, dim] = [400, 5]
  const pixels = tensor('uint8', [count, dim])
  const shades = draws(count * dim)
  for (let at = 0; at < count * dim; at++) pixels.data[at] = 40 + 60 * shades[at - (at % dim)]! + 100 * shades[at]!
  const measured = async (examples: Tensor<'uint8'>, range: readonly [number, number], epsilon = 0): Promise<MeasuredWhitening> => {
    const config = {
      ...paperMnist,
      dim,
      dataRange: range,
      hiddenDim: 4,
      preprocessing: [{ kind: 'whiten', method: 'zca', epsilon } as const],
    }
    const indices = Uint32Array.from({ length: examples.dims[0]! }, (_, i) => i)
    const measuring = { seed: 1, dequantization: 'independent', steps: 0, values: {} } as const
    const options: MomentsOptions = { flow: nice(config), data: { examples, indices }, ...measuring, open }
    return (await measureMoments(options)).whitening(epsilon)
  }

  it.each([
    [0, 1],
    [-1, 1],
  ] as const)('on [%i, %i] counts the noise of their cells', async (...range) => {
    const cell = cellWidth(range)
    const { mean, matrix, logDet } = await measured(pixels, range)
    const centre = Array.from({ length: dim }, (_, d) => {
      let sum = 0
      for (let i = 0; i < count; i++) sum += pixels.data[i * dim + d]! + 0.5
      return sum / count
    })
    const covariance = Float64Array.from({ length: dim * dim }, (_, at) => {
      const [a, b] = [Math.floor(at / dim), at % dim]
      let sum = 0
      for (let i = 0; i < count; i++) sum += (pixels.data[i * dim + a]! + 0.5 - centre[a]!) * (pixels.data[i * dim + b]! + 0.5 - centre[b]!)
      return cell ** 2 * (sum / count + (a === b ? 1 / 12 : 0))
    })
    expect(
      farthest(
        mean,
        centre.map((value) => range[0] + cell * value),
      ),
    ).toBeLessThan(float32)
    expect(farthest(product(product(matrix, covariance, dim), matrix, dim), identity(dim))).toBeLessThan(float32)
    const reference = pivots(covariance, dim).reduce((sum, pivot) => sum - Math.log(pivot) / 2, 0)
    expect(Math.abs(logDet - reference)).toBeLessThan(nats)
  })

  it('on a range twice as wide is half as strong, D ln 2 nats less', async () => {
    const [unit, wide] = [await measured(pixels, [0, 1]), await measured(pixels, [-1, 1])]
    expect(Math.abs(unit.logDet - wide.logDet - dim * Math.log(2))).toBeLessThan(nats)
    expect(
      farthest(
        unit.matrix,
        wide.matrix.map((value) => 2 * value),
      ),
    ).toBeLessThan(float32)
  })

  it('is not made exact by their noise where a pixel is constant', async () => {
    const stuck = tensor(
      'uint8',
      [count, dim],
      pixels.data.map((value, at) => (at % dim === 2 ? 7 : value)),
    )
    await expect(measured(stuck, [0, 1])).rejects.toThrow('exact whitening (epsilon 0), got 1')
    const found = await measured(stuck, [0, 1], 1e-3)
    expect(found.residual).toBeLessThan(float32)
    // The constant pixel stays by itself: its noise and epsilon alone.
    expect(Math.abs(found.matrix[2 * dim + 2]! - (1 / 256 ** 2 / 12 + 1e-3) ** -0.5)).toBeLessThan(float32)
  })
})
