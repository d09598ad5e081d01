import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NiceflowError, type StorageType, storageTypes } from '@niceflow/core'
import { decodeModel } from '@niceflow/graph'
import { loadFlow } from '@niceflow/runtime-node'
import { beforeAll, expect, test } from 'vitest'
import { exportBundle } from './bundle.ts'
import { readGraph } from './read-graph.ts'
import type { Run } from './run.ts'
import { type SingleGraph, singleGraphs, writeSingleFile } from './single-file.ts'
import { temporaryFolder, tinyOptions, toyImages, toyRows } from './tiny.fixture.ts'
import { train } from './train.ts'

let run: Run
beforeAll(async () => {
  run = await train({ ...tinyOptions(), data: toyImages(300) })
})

async function bundleOf(...dtypes: StorageType[]): Promise<string> {
  const folder = join(temporaryFolder(), 'toy')
  await exportBundle(run, folder, { dtypes })
  return folder
}

const modelIn = (path: string) => decodeModel(readFileSync(path), { source: path })

test.each(storageTypes.flatMap((dtype) => singleGraphs.map((graph) => [graph, dtype] as const)))(
  'a %s, %s, holds its weights and gives the numbers of the bundle, to the bit',
  async (graph, dtype) => {
    const folder = await bundleOf('fp32', 'fp16', 'q8')
    const out = join(temporaryFolder(), 'lone.onnx')
    const bytes = await writeSingleFile(folder, out, { graph, dtype })
    expect(bytes).toBe(readFileSync(out).length)
    // Without its weights it could not be read here: nothing is beside it.
    const suffix = dtype === 'fp32' ? '' : `_${dtype}`
    const paths = {
      encoder: join(folder, `encoder${suffix}.onnx`),
      decoder: join(folder, `decoder${suffix}.onnx`),
      weights: join(folder, `weights${suffix}.bin`),
    }
    expect(modelIn(out).graph).toEqual(await readGraph(paths[graph], paths.weights))
    const outputs = async (graphs: { [G in SingleGraph]?: string }) => {
      const flow = await loadFlow(folder, { device: 'cpu', threads: 1, dtype, graphs })
      const { z, logLikelihood } = await flow.encode(toyRows(20, 4))
      const x = await flow.decode(z)
      await flow.dispose()
      return { z, logLikelihood, x }
    }
    expect(await outputs({ [graph]: out })).toEqual(await outputs({}))
  },
)

test('it says what one must know who has nothing else', async () => {
  const out = join(temporaryFolder(), 'lone.onnx')
  await writeSingleFile(await bundleOf('q8'), out, { graph: 'decoder' })
  expect(modelIn(out).metadata).toEqual({
    'niceflow.format_version': '1',
    'niceflow.name': 'toy',
    'niceflow.model': 'NICE normalizing flow, https://arxiv.org/abs/1410.8516',
    'niceflow.dim': '4',
    'niceflow.data_range': '[0, 1]',
    'niceflow.image_shape': '[2, 2]',
    'niceflow.dequantization': 'x = 0 + (pixel + u) * 1 / 256, u uniform on (0, 1)',
    'niceflow.prior': 'logistic',
    'niceflow.prior_quantile': 'z = ln u - ln(1 - u), u uniform on (0, 1), each dimension by itself',
    'niceflow.x': 'data on [0, 1], not clamped to it, images of 2 x 2, row by row',
    'niceflow.z': 'latents, independent under the standard logistic prior',
    'niceflow.log_likelihood': 'nats per example, a density on [0, 1]^4',
    'niceflow.bits_per_dim': '-(log_likelihood / 4 + ln(0.00390625)) / ln 2',
    'niceflow.weights': 'stored as q8, computed with in float32',
    'niceflow.training_data': `250 examples of toy, SHA-256 ${'a'.repeat(64)}`,
  })
})

test('a Gaussian model of no pixels says so', async () => {
  const gaussian = await train(tinyOptions({ flow: { prior: 'gaussian' } }))
  const folder = join(temporaryFolder(), 'toy')
  await exportBundle(gaussian, folder)
  const out = join(temporaryFolder(), 'lone.onnx')
  await writeSingleFile(folder, out, { graph: 'encoder' })
  const { metadata } = modelIn(out)
  expect(metadata).toMatchObject({
    'niceflow.dequantization': 'none',
    'niceflow.prior': 'gaussian',
    'niceflow.prior_quantile': 'z = sqrt(2) erfinv(2 u - 1), u uniform on (0, 1), each dimension by itself',
  })
  expect(Object.keys(metadata)).not.toContain('niceflow.bits_per_dim')
  expect(Object.keys(metadata)).not.toContain('niceflow.image_shape')
})

test('what is there stays, unless it is a file that may be replaced and the new one passes', async () => {
  const folder = await bundleOf('fp32')
  const dir = temporaryFolder()
  const out = join(dir, 'lone.onnx')
  const write = (path: string, options: { overwrite?: boolean; check?: (file: string) => Promise<void> } = {}) =>
    writeSingleFile(folder, path, { graph: 'decoder', ...options })
  writeFileSync(out, 'mine')
  await expect(write(out)).rejects.toMatchObject({
    name: 'WriteError',
    message: `${out}: is there already`,
    remedy: 'give another --out, or --overwrite it',
    usage: true,
  })
  const looked: string[][] = []
  const check = async (file: string): Promise<void> => {
    looked.push(readdirSync(dir))
    expect(modelIn(file).graph.name).toBe('decoder')
    throw new NiceflowError('it does not do')
  }
  await expect(write(out, { overwrite: true, check })).rejects.toThrow(/^it does not do$/)
  expect(looked).toEqual([['lone.onnx', expect.stringMatching(/^lone\.onnx\.\d+\.tmp$/)]])
  expect(readFileSync(out, 'utf8')).toBe('mine')
  expect(readdirSync(dir)).toEqual(['lone.onnx'])
  await write(out, { overwrite: true })
  expect(modelIn(out).graph.name).toBe('decoder')

  mkdirSync(join(dir, 'folder.onnx'))
  await expect(write(join(dir, 'folder.onnx'), { overwrite: true })).rejects.toThrow('is there and is no file')
  await expect(write(join(folder, 'decoder.onnx'), { overwrite: true })).rejects.toThrow(`is a file of the bundle ${folder}`)
  await expect(write(join(dir, 'no', 'where.onnx'))).rejects.toThrow('cannot be written: ENOENT')
  await expect(writeSingleFile(folder, join(dir, 'a.onnx'), { graph: 'decoder', dtype: 'q8' })).rejects.toThrow('expected fp32, got q8')
})
