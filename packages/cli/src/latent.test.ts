import { readFileSync, writeFileSync } from 'node:fs'
import { type Manifest, parseManifest, type Tensor, tensor } from '@niceflow/core'
import { loadImages } from '@niceflow/data'
import { readNpy, readPng, writeNpy } from '@niceflow/formats'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answer, niceflowHere, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const threads = ['--threads', '1']
/** Round trips through float32 graphs: the bound of `verify`. */
const roundTrip = 1e-4
const dim = 784

let pixels: Tensor<'uint8'>
let manifest: Manifest
beforeAll(async () => {
  await answer(['train', ...tinyModel, '--out', path('run')], niceflowHere)
  await answer(['export', path('run'), '--out', path('digits'), ...threads], niceflowHere)
  manifest = parseManifest(readFileSync(path('digits', 'flow.json'), 'utf8'), 'flow.json')
  pixels = (await loadImages('mnist')).test
})

const array = (file: string): Tensor<'float32'> => readNpy(readFileSync(path(file)), file) as Tensor<'float32'>
const row = ({ data }: Tensor<'float32'>, index: number): Float32Array => data.subarray(index * dim, (index + 1) * dim)
const apart = (a: Float32Array, b: Float32Array): number => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)
/** How far an image is from the cells of pixels that it was drawn in. */
const fromCells = (x: Float32Array, index: number): number =>
  x.reduce((most, value, d) => {
    const low = pixels.data[index * dim + d]! / 256
    return Math.max(most, low - value, value - low - 1 / 256)
  }, 0)

describe('interpolate', () => {
  const ends = ['--from', 'mnist:test:3', '--to', 'mnist:test:8', '--steps', '5']

  test('leads from one image to the other, a row for each kind of path, and says the likelihood along it', async () => {
    type Found = { paths: { kind: string; logLikelihood: number[] }[] }
    // A list takes a word each time, and leaves the next alone.
    const words = ['interpolate', ...ends, '--kind', 'linear', '--kind', 'quantile', path('digits'), ...threads]
    const { paths, ...rest } = await answer<Found>([...words, '--out', path('paths.npy')], niceflowHere)
    expect(rest).toEqual({
      bundle: path('digits'),
      from: 'mnist:test:3',
      to: 'mnist:test:8',
      steps: 5,
      seed: 0,
      range: [0, 1],
      out: path('paths.npy'),
      dtype: 'fp32',
      device: 'cpu',
    })
    const found = array('paths.npy')
    expect(found.dims).toEqual([2, 5, dim])
    for (const kind of [0, 1]) {
      expect(fromCells(row(found, 5 * kind), 3)).toBeLessThan(roundTrip)
      expect(fromCells(row(found, 5 * kind + 4), 8)).toBeLessThan(roundTrip)
    }
    expect(apart(row(found, 2), row(found, 7))).toBeGreaterThan(0.01)
    expect(paths.map(({ kind }) => kind)).toEqual(['linear', 'quantile'])
    // Halfway on a line the latents are nearer to the mode than data are, so their density is higher; the quantile path is between.
    const [linear, quantile] = paths.map(({ logLikelihood }) => logLikelihood)
    expect([linear![0], linear![4]]).toEqual([quantile![0], quantile![4]])
    expect(linear![2]).toBeGreaterThan(quantile![2]!)

    const { stdout } = await niceflowHere([...words, '--out', path('paths.png')])
    expect(stdout).toMatch(/^of the way +linear +quantile\n0\.00 +-?\d+\.\d\d/)
    expect(readPng(readFileSync(path('paths.png')), 'png')).toMatchObject({ width: 5 * 58 + 2, height: 2 * 58 + 2 })
  })

  test('a file of one example is the same as its place in the dataset', async () => {
    const image = tensor('uint8', [28, 28], pixels.data.slice(3 * dim, 4 * dim))
    writeFileSync(path('three.npy'), writeNpy(image))
    await answer(['interpolate', path('digits'), ...ends, '--out', path('named.npy'), ...threads], niceflowHere)
    await answer(
      ['interpolate', path('digits'), ...ends, '--from', path('three.npy'), '--out', path('filed.npy'), ...threads],
      niceflowHere,
    )
    expect(array('filed.npy')).toEqual(array('named.npy'))
  })

  test.each<[string, number, string, string]>([
    [
      'mnist:test:10000',
      2,
      'index of mnist:test:10000: expected at most 9999, got 10000',
      'niceflow interpolate --help says what there is',
    ],
    ['mnist:dev:1', 2, 'split of mnist:dev:1: expected train, validation, test, got dev', 'niceflow interpolate --help says what there is'],
    ['cifar:test:1', 2, 'dataset: expected mnist, fashion-mnist, cifar10, svhn, svhn-extra, tfd, got cifar', 'see `niceflow data list`'],
    ['mnist', 1, 'mnist: cannot be read: ENOENT', 'check the path'],
  ])('from %s is refused', async (from, code, message, remedy) => {
    const words = ['interpolate', path('digits'), ...ends, '--from', from, '--out', path('never.png'), ...threads]
    expect(await niceflowHere(words)).toMatchObject({ code, stdout: '', stderr: `niceflow: ${message}\n  ${remedy}\n` })
  })

  test('from a file of several is refused, before its rows are read', async () => {
    writeFileSync(path('two.npy'), writeNpy(tensor('float32', [2, dim], new Float32Array(2 * dim).fill(Number.NaN))))
    const words = ['interpolate', path('digits'), ...ends, '--from', path('two.npy'), '--out', path('never.png'), ...threads]
    expect((await niceflowHere(words)).stderr).toBe(
      `niceflow: ${path('two.npy')}: expected one example, got 2\n  save the one that you mean alone\n`,
    )
  })
})

type Swept = { dimensions: { dimension: number; rank: number; importance: number; latent: number; quantile: number }[] }

describe('traverse', () => {
  test('sweeps the dimensions of largest exp(-s), from z = 0', async () => {
    const { dimensions } = await answer<Swept>(
      ['traverse', path('digits'), '--top', '3', '--quantiles', '0.2,0.5', '--out', path('sweep.npy'), ...threads],
      niceflowHere,
    )
    const scales = manifest.model.logScale!.map((s) => Math.exp(-s))
    const largest = [...scales].sort((a, b) => b - a).slice(0, 3)
    expect(dimensions.map(({ rank, importance, latent, quantile }) => [rank, importance, latent, quantile])).toEqual(
      largest.map((scale, i) => [i + 1, scale, 0, 0.5]),
    )
    expect(dimensions.map(({ dimension }) => scales[dimension])).toEqual(largest)
    const found = array('sweep.npy')
    expect(found.dims).toEqual([3, 3, dim])
    for (const i of [0, 1, 2]) {
      // 0.5 is the quantile of the latent 0, where the sweep starts.
      expect(apart(row(found, 3 * i), row(found, 3 * i + 2))).toBe(0)
      expect(apart(row(found, 3 * i), row(found, 3 * i + 1))).toBeGreaterThan(1e-3)
    }
  })

  test("at an image's own quantile the sweep passes the image", async () => {
    const words = ['traverse', path('digits'), '--input', 'mnist:test:7', '--dims', '406,407', '--out', path('own.npy'), ...threads]
    const { dimensions } = await answer<Swept>(words, niceflowHere)
    const ranked = await answer<Swept>([...words, '--by', 'scale'], niceflowHere)
    // Of dimensions that were chosen nobody need know how important they are.
    expect(dimensions).toEqual(ranked.dimensions.map(({ rank: _, importance: __, ...rest }) => rest))
    expect(ranked.dimensions[0]!.importance).toBe(Math.exp(-manifest.model.logScale![406]!))
    for (const [i, { quantile }] of dimensions.entries()) {
      await answer([...words, '--quantiles', `0.01,${quantile}`], niceflowHere)
      const found = array('own.npy')
      expect(fromCells(row(found, 0), 7)).toBeLessThan(roundTrip)
      expect(apart(row(found, 3 * i), row(found, 3 * i + 2))).toBeLessThan(roundTrip)
      expect(apart(row(found, 3 * i), row(found, 3 * i + 1))).toBeGreaterThan(1e-3)
    }
  })

  test('a bundle that does not say its s has it in its encoder', async () => {
    const words = ['--top', '4', '--out', path('sweep.png'), ...threads]
    const { dimensions } = await answer<Swept>(['traverse', path('digits'), ...words], niceflowHere)
    const { logScale: _, ...model } = manifest.model
    const text = readFileSync(path('digits', 'flow.json'))
    try {
      writeFileSync(path('digits', 'flow.json'), JSON.stringify({ ...manifest, model }))
      expect((await answer<Swept>(['traverse', path('digits'), ...words], niceflowHere)).dimensions).toEqual(dimensions)
    } finally {
      writeFileSync(path('digits', 'flow.json'), text)
    }
    // A row a dimension: the start, and nine quantiles.
    expect(readPng(readFileSync(path('sweep.png')), 'png')).toMatchObject({ width: 10 * 58 + 2, height: 4 * 58 + 2 })
  })

  test.each([
    [['--top', '785'], "--top: expected at most 784, the model's dimensions, got 785"],
    [['--dims', '3,784'], '--dims: expected at most 783, the last dimension, got 784'],
  ])('%j is a usage error', async (words, message) => {
    const outcome = await niceflowHere(['traverse', path('digits'), ...words, '--out', path('never.png'), ...threads])
    expect(outcome).toMatchObject({ code: 2, stderr: `niceflow: ${message}\n  niceflow traverse --help says what there is\n` })
  })
})

describe('sample', () => {
  const sample = async (file: string, ...more: string[]): Promise<Tensor<'float32'>> => {
    await answer(['sample', path('digits'), '--count', '2', '--seed', '5', '--out', path(file), ...threads, ...more], niceflowHere)
    return array(file)
  }

  test('--top draws the most important latents alone, --bottom the least; all of them are a sample, and none the mode', async () => {
    const [all, mode] = [await sample('all.npy'), await sample('mode.npy', '--temperature', '0')]
    const top = await sample('top.npy', '--top', '784,100', '--top', '0')
    expect(top.dims).toEqual([2, 3, dim])
    for (const i of [0, 1]) {
      expect(apart(row(top, 3 * i), row(all, i))).toBeLessThan(roundTrip)
      expect(apart(row(top, 3 * i + 2), row(mode, i))).toBeLessThan(roundTrip)
      for (const other of [row(all, i), row(mode, i)]) expect(apart(row(top, 3 * i + 1), other)).toBeGreaterThan(0.01)
    }
    const [most, least] = [await sample('most.npy', '--top', '100'), await sample('least.npy', '--bottom', '100')]
    expect(most.dims).toEqual([2, dim])
    expect(apart(row(most, 0), row(top, 1))).toBeLessThan(roundTrip)
    // The least important latents hardly move the image: less than the most important ones, from the same mode.
    expect(apart(row(least, 0), row(mode, 0))).toBeLessThan(apart(row(most, 0), row(mode, 0)))
  })

  test('--by reach goes by what each latent moves', async () => {
    const { dimensions } = await answer<Swept>(
      ['traverse', path('digits'), '--top', '784', '--by', 'reach', '--quantiles', '0.5', '--out', path('reach.npy'), ...threads],
      niceflowHere,
    )
    const reach = dimensions.map(({ importance }) => importance)
    expect(reach).toEqual([...reach].sort((a, b) => b - a))
    expect(reach.at(-1)).toBeGreaterThan(0)
  })
})

describe('spectrum', () => {
  type Found = {
    scales: number[]
    order: number[]
    deviations: { nice: number[]; pca: number[] }
    effectiveDimension: Record<'nice' | 'pca', { entropy: number; participation: number }>
    independence: { examples: number; marginals: { mean: number; beyond: number } }
  }
  const words = (...more: string[]) => ['spectrum', path('digits'), '--dataset', 'mnist', '--limit', '60', ...threads, ...more]

  test('is exp(-s), sorted, beside PCA’s, with what the latents are like', async () => {
    const { scales, order, deviations, effectiveDimension, independence } = await answer<Found>(
      words('--out', path('spectrum.svg')),
      niceflowHere,
    )
    expect(scales).toEqual(manifest.model.logScale!.map((s) => Math.exp(-s)))
    const prior = Math.PI / Math.sqrt(3)
    expect(Math.max(...order.map((d, i) => Math.abs(prior * scales[d]! - deviations.nice[i]!)))).toBeLessThan(1e-12)
    for (const spectrum of Object.values(deviations)) expect([...spectrum].sort((a, b) => b - a)).toEqual(spectrum)
    // The variances of all components together are those of the pixels, and of their noise.
    const values = Array.from({ length: dim }, (_, d) => Array.from({ length: 60 }, (_, i) => pixels.data[i * dim + d]! / 256))
    const variances = values.map((column) => {
      const mean = column.reduce((sum, value) => sum + value, 0) / 60
      return column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 59 + 1 / 256 ** 2 / 12
    })
    const total = variances.reduce((sum, variance) => sum + variance, 0)
    expect(Math.abs(deviations.pca.reduce((sum, deviation) => sum + deviation ** 2, 0) / total - 1)).toBeLessThan(1e-9)
    // Sixty examples have no more than 59 components that vary, noise apart.
    expect(effectiveDimension.pca.entropy).toBeLessThan(60)
    expect(independence.examples).toBe(60)
    expect(readFileSync(path('spectrum.svg'), 'utf8')).toMatch(/^<svg [\s\S]*Spectrum of digits/)
  })

  test('needs no picture, and says each figure beside what chance would give', async () => {
    const { stdout, code } = await niceflowHere(words())
    expect(code).toBe(0)
    expect(stdout).toMatch(/^effective dimension +exp\(-s\) +PCA +of\n/)
    expect(stdout).toMatch(/mean distance of Kolmogorov and Smirnov +0\.\d{4} +0\.\d{4}/)
    expect(stdout).toMatch(/60 test examples of mnist\n$/)
  })
})
