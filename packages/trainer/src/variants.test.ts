import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StorageType } from '@niceflow/core'
import { loadFlow, openSession } from '@niceflow/runtime-node'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { exportBundle } from './bundle.ts'
import { float32, type OptimizedModel, readOptimized } from './optimized.fixture.ts'
import type { Run } from './run.ts'
import { contentsOf, histograms, temporaryFolder, tinyOptions, tinyRecipe, toyImages, toyRows } from './tiny.fixture.ts'
import { train } from './train.ts'
import { verifyBundle } from './verify.ts'

let run: Run
let ofHistograms: Run
beforeAll(async () => {
  run = await train({ ...tinyOptions(), data: toyImages(300) })
  ofHistograms = await train({ ...tinyOptions(histograms), data: toyImages(300) })
})

const x = toyRows(200, 4, 5)

async function bundle(...dtypes: StorageType[]): Promise<string> {
  return bundleOf(run, dtypes)
}

async function bundleOf(run: Run, dtypes: readonly StorageType[]): Promise<string> {
  const folder = join(temporaryFolder(), 'toy')
  await exportBundle(run, folder, { dtypes })
  return folder
}

async function flowOf(folder: string, dtype: StorageType) {
  const flow = await loadFlow(folder, { device: 'cpu', threads: 1, dtype })
  onTestFinished(() => flow.dispose())
  return flow
}

test('each storage type is a variant; the files of the first have no suffix', async () => {
  const folder = await bundle('fp16', 'fp32', 'q8')
  const named = (suffix: string) => ({
    encoder: `encoder${suffix}.onnx`,
    decoder: `decoder${suffix}.onnx`,
    inpainter: `inpainter${suffix}.onnx`,
    weights: `weights${suffix}.bin`,
  })
  const manifest = JSON.parse(readFileSync(join(folder, 'flow.json'), 'utf8'))
  expect([manifest.dtype, manifest.variants]).toEqual(['fp16', { fp16: named(''), fp32: named('_fp32'), q8: named('_q8') }])
  expect(Object.keys(manifest.files).sort()).toEqual(readdirSync(folder).filter((file) => file !== 'flow.json'))
  expect((await flowOf(folder, 'q8')).dtype).toBe('q8')
  const left = await loadFlow(folder, { device: 'cpu' })
  expect(left.dtype).toBe('fp16')
  await left.dispose()
})

test('the files of a variant are the same whatever others there are', async () => {
  const [all, alone] = [contentsOf(await bundle('fp32', 'q8')), contentsOf(await bundle('q8'))]
  expect(Object.keys(alone).sort()).toEqual(['decoder.onnx', 'encoder.onnx', 'flow.json', 'inpainter.onnx', 'weights.bin'])
  expect(alone['weights.bin']).toEqual(all['weights_q8.bin'])
})

test('a storage type that there is not is refused with those that there are', async () => {
  const folder = join(temporaryFolder(), 'toy')
  const refused = (dtypes: readonly string[]) => exportBundle(run, folder, { dtypes: dtypes as StorageType[] })
  await expect(refused(['fp32', 'int4'])).rejects.toMatchObject({
    message: 'dtypes: expected some of fp32, fp16, q8, got int4',
    usage: true,
  })
  await expect(refused([])).rejects.toThrow('dtypes: expected some of fp32, fp16, q8, got none')
  expect(readdirSync(join(folder, '..'))).toEqual([])
})

describe('every variant', () => {
  test.each(['fp32', 'fp16', 'q8'] as const)('%s is a bijection that scores as its file says in float64', async (dtype) => {
    const folder = await bundle('fp32', 'fp16', 'q8')
    const { roundTrip, float64, ...found } = await verifyBundle(folder, await flowOf(folder, dtype), x)
    expect(found).toMatchObject({ dtype, files: 12, examples: 200 })
    // Far within the bounds: what rounding weights to float16 or int8 costs is no part of it.
    expect(Math.max(roundTrip.max, float64.max)).toBeLessThan(1e-4)
  })

  test('costs little, and smaller files more', async () => {
    const folder = await bundle('fp32', 'fp16', 'q8')
    const score = async (dtype: StorageType) => (await (await flowOf(folder, dtype)).score(x)).logLikelihood
    const exact = await score('fp32')
    const error = async (dtype: StorageType) => Math.max(...(await score(dtype)).map((nats, i) => Math.abs(nats - exact[i]!)))
    const [fp16, q8] = [await error('fp16'), await error('q8')]
    expect(fp16).toBeGreaterThan(0)
    expect(fp16).toBeLessThan(0.01)
    expect(q8).toBeGreaterThan(fp16)
    expect(q8).toBeLessThan(0.5)
  })

  test('is verified whole: a flipped bit in the files of another is found', async () => {
    const folder = await bundle('fp32', 'q8')
    const path = join(folder, 'weights_q8.bin')
    const bytes = readFileSync(path)
    bytes[0]! ^= 1
    writeFileSync(path, bytes)
    await expect(verifyBundle(folder, await flowOf(folder, 'fp32'), x)).rejects.toThrow(`${path}: expected SHA-256 `)
  })
})

describe('what a default session makes of a variant', () => {
  const { couplings, hiddenLayers } = tinyRecipe.flow
  const products = couplings * (hiddenLayers + 1)

  async function optimized(model: string): Promise<OptimizedModel> {
    const path = join(temporaryFolder(), 'optimized.onnx')
    const session = await openSession(model, { optimizedModelFilePath: path })
    await session.dispose()
    return readOptimized(readFileSync(path))
  }

  test.each([
    ['encoder', 'an additive flow', () => run, products],
    ['decoder', 'an additive flow', () => run, products],
    ['encoder', 'histograms', () => ofHistograms, products],
    // The masses of earlier bins are summed by a product from either end.
    ['decoder', 'histograms', () => ofHistograms, products + 2 * couplings],
  ])('the %s of each is that of fp32 (%s): products of float32 by constants of float32', async (graph, _, runOf, count) => {
    const folder = await bundleOf(runOf(), ['fp32', 'fp16', 'q8'])
    const operators: string[][] = []
    for (const suffix of ['', '_fp16', '_q8']) {
      const { nodes, constants } = await optimized(join(folder, `${graph}${suffix}.onnx`))
      const multiplying = nodes.filter(({ op }) => /Gemm|MatMul|Quant|QLinear|Integer/.test(op))
      expect(multiplying).toHaveLength(count)
      for (const { op, inputs } of multiplying) {
        expect(['Gemm', 'FusedGemm', 'MatMul']).toContain(op)
        expect(constants[inputs[1]!]).toBe(float32)
      }
      operators.push(nodes.map(({ op }) => op).sort())
    }
    expect([operators[1], operators[2]]).toEqual([operators[0], operators[0]])
  })
})
