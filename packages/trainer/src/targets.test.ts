import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { decodeModel } from '@niceflow/graph'
import { loadFlow } from '@niceflow/runtime-node'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { exportBundle } from './bundle.ts'
import { parsePbtxt } from './pbtxt.fixture.ts'
import type { Run } from './run.ts'
import { type Target, type TargetOptions, targets, writeTarget } from './targets.ts'
import { temporaryFolder, tinyOptions, toyImages, toyRows } from './tiny.fixture.ts'
import { train } from './train.ts'

let run: Run
beforeAll(async () => {
  run = await train({ ...tinyOptions(), data: toyImages(300) })
})

async function bundleOf(name = 'toy'): Promise<string> {
  const folder = join(temporaryFolder(), 'bundle')
  await exportBundle(run, folder, { name, dtypes: ['fp32', 'q8'] })
  return folder
}

async function written(target: Target, name?: string): Promise<{ out: string; files: Readonly<Record<string, number>> }> {
  const out = join(temporaryFolder(), 'out')
  return { out, files: await writeTarget(await bundleOf(name), out, { target }) }
}

const repository = ['toy_decoder/1/model.onnx', 'toy_decoder/config.pbtxt', 'toy_encoder/1/model.onnx', 'toy_encoder/config.pbtxt']
const contents: Readonly<Record<Target, readonly string[]>> = {
  triton: repository,
  kserve: ['inference-service.yaml', ...repository.map((path) => `models/${path}`)],
  ray: ['encoder.onnx', 'score.py'],
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()

test.each(targets)('%s is these files, and graphs in them that give the numbers of the bundle, to the bit', async (target) => {
  const bundle = await bundleOf()
  const out = join(temporaryFolder(), 'out')
  const scores = async (graphs: object) => {
    const flow = await loadFlow(bundle, { device: 'cpu', threads: 1, dtype: 'q8', graphs })
    const { z, logLikelihood } = await flow.encode(toyRows(20, 4))
    const x = await flow.decode(z)
    await flow.dispose()
    return { z, logLikelihood, x }
  }
  let checked: unknown
  const files = await writeTarget(bundle, out, {
    target,
    dtype: 'q8',
    check: async (graphs) => {
      checked = await scores(graphs)
    },
  })
  expect(filesIn(out)).toEqual(contents[target])
  expect(files).toEqual(Object.fromEntries(contents[target].map((path) => [path, readFileSync(join(out, path)).length])))
  expect(checked).toEqual(await scores({}))
})

describe('a model repository', () => {
  test('has the ports of its graphs, without the batch', async () => {
    const { out } = await written('triton')
    for (const graph of ['encoder', 'decoder']) {
      const config = parsePbtxt(readFileSync(join(out, `toy_${graph}`, 'config.pbtxt'), 'utf8'))
      const model = decodeModel(readFileSync(join(out, `toy_${graph}`, '1', 'model.onnx')), { source: graph }).graph
      const port = ({ name, dims: [batch, ...dims] }: (typeof model.inputs)[number]) => {
        expect(batch).toBe('batch')
        const shape = dims.length > 0 ? { dims } : { dims: [1], reshape: [{ shape: [] }] }
        return { name: [name], data_type: ['TYPE_FP32'], ...shape }
      }
      expect(config).toEqual({
        name: [`toy_${graph}`],
        backend: ['onnxruntime'],
        max_batch_size: [1024],
        input: model.inputs.map(port),
        output: model.outputs.map(port),
        dynamic_batching: [{ max_queue_delay_microseconds: [500], default_queue_policy: [{ max_queue_size: [1024] }] }],
        instance_group: [{ count: [1], kind: ['KIND_AUTO'] }],
      })
    }
  })

  test.each(['my model', '../toy', '-toy', ''])('does not take the name "%s"', async (name) => {
    await expect(written('triton', name)).rejects.toMatchObject({
      message: `name of the models: expected letters, digits, ".", "_" and "-", got ${name}`,
      remedy: 'export the model as a bundle of another --name first',
      usage: true,
    })
  })
})

describe('a KServe service', () => {
  test('runs the repository beside its manifest in Triton', async () => {
    const { out } = await written('kserve', 'My_Toy.v2')
    expect(parse(readFileSync(join(out, 'inference-service.yaml'), 'utf8'))).toEqual({
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata: { name: 'my-toy-v2' },
      spec: {
        predictor: {
          model: {
            modelFormat: { name: 'triton', version: '2' },
            runtime: 'kserve-tritonserver',
            protocolVersion: 'v2',
            storageUri: 'pvc://my-toy-v2/models',
            resources: { requests: { cpu: '2', memory: '2Gi' }, limits: { cpu: '4', memory: '4Gi' } },
          },
        },
      },
    })
    expect(readdirSync(join(out, 'models')).sort()).toEqual(['My_Toy.v2_decoder', 'My_Toy.v2_encoder'])
  })

  test.each(['7', 'a'.repeat(64), 'toy_'])('does not take the name %s, which makes no DNS label', async (name) => {
    await expect(written('kserve', name)).rejects.toThrow('name of the service: expected a letter, then at most 62 letters')
  })
})

test('a job needs nothing of ours', async () => {
  const { out } = await written('ray')
  const job = readFileSync(join(out, 'score.py'), 'utf8')
  const imported = [...job.matchAll(/^(?:import|from) (\w+)/gm)].map(([, name]) => name)
  expect(imported).toEqual(['argparse', 'json', 'math', 'hashlib', 'pathlib', 'numpy', 'onnxruntime', 'pyarrow', 'ray'])
})

describe('what is there', () => {
  const refusal = (message: string, remedy = 'give another --out') =>
    expect.objectContaining({ name: 'WriteError', message: expect.stringContaining(message), remedy, usage: true })
  const writeOver = async (out: string, options: Partial<TargetOptions> = {}) =>
    writeTarget(await bundleOf(), out, { target: 'triton', ...options })

  test('is replaced when that is asked for, and by what passes', async () => {
    const { out } = await written('triton')
    writeFileSync(join(out, 'toy_encoder', 'config.pbtxt'), 'mine')
    await expect(writeOver(out)).rejects.toEqual(refusal('holds an export already', 'give another --out, or --overwrite it'))
    const check = async (): Promise<void> => {
      throw new NiceflowError('it does not do')
    }
    await expect(writeOver(out, { overwrite: true, check })).rejects.toThrow('it does not do')
    expect(readFileSync(join(out, 'toy_encoder', 'config.pbtxt'), 'utf8')).toBe('mine')
    expect(readdirSync(join(out, '..'))).toEqual(['out'])
    await writeOver(out, { overwrite: true })
    expect(readFileSync(join(out, 'toy_encoder', 'config.pbtxt'), 'utf8')).toMatch(/^name: "toy_encoder"\n/)
  })

  test.each<[string, string, string]>([
    ['another version', 'toy_encoder/2/model.onnx', 'holds toy_encoder/2, '],
    ['another model', 'other/config.pbtxt', 'holds other, '],
    ['another file', 'toy_encoder/1/notes.txt', 'holds toy_encoder/1/notes.txt, '],
    ['a file in the place of a folder', 'toy_encoder', 'holds toy_encoder, '],
  ])('stays where it is %s', async (_, path, message) => {
    const out = join(temporaryFolder(), 'out')
    mkdirSync(join(out, path, '..'), { recursive: true })
    writeFileSync(join(out, path), 'mine')
    await expect(writeOver(out, { overwrite: true })).rejects.toEqual(refusal(`${message}which is no file of this export`))
    expect(readFileSync(join(out, path), 'utf8')).toBe('mine')
  })

  test('stays where it is a bundle or a file', async () => {
    const bundle = await bundleOf()
    await expect(writeOver(bundle, { overwrite: true })).rejects.toEqual(refusal('which is no file of this export'))
    await expect(writeOver(join(bundle, 'flow.json'), { overwrite: true })).rejects.toEqual(refusal('is a file'))
  })
})
