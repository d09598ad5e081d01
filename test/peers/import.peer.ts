import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dequantize, logisticQuantile, rows, type Tensor, tensor, uniform } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'
import { readSafetensors, writeSafetensors } from '@niceflow/formats'
import { loadFlow } from '@niceflow/runtime-node'
import { exportBundle, readRun } from '@niceflow/trainer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pythonWith } from './python.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
afterAll(() => rmSync(folder, { recursive: true }))
const path = (name: string): string => join(folder, name)

const [dim, count] = [784, 200]
const python = await pythonWith('torch', (what) => process.stderr.write(`${what}\n`))
const masked = (...words: string[]): void => void execFileSync(python, [join(import.meta.dirname, 'masked_nice.py'), ...words])
const bin = join(root, 'packages', 'cli', 'bin', 'niceflow.mjs')
const niceflow = (...words: string[]) => spawnSync(process.execPath, [bin, ...words], { encoding: 'utf8' })
const done = (...words: string[]): string => {
  const { status, stdout, stderr } = niceflow(...words)
  expect(status, stderr).toBe(0)
  return stdout
}

/** Nats, of any image: both sum hundreds of products and exponentials in float32. */
const natsTolerance = 1e-2
/** Of values that mostly lie on [0, 1]: both sum products in float32, and a latent is some hundred times as large as the value that it becomes. */
const valueTolerance = 1e-4

const { train, test: held } = await loadDataset('mnist')
const indices = Uint32Array.from({ length: count }, (_, i) => i)
const x = tensor(
  'float32',
  [count, dim],
  dequantize(rows(held, 0, count), indices, { seed: 0, draw: 0, range: [0, 1], dequantization: 'shared' }),
)
const z = tensor('float32', [count, dim], uniform([9, 0], count * dim).map(logisticQuantile))

beforeAll(() => {
  writeFileSync(path('problem.safetensors'), Buffer.concat(writeSafetensors({ pixels: rows(train, 0, 20_000), x, z })))
})

/** By how much a run or bundle differs from what PyTorch wrote, at most: nats of an image, and values of a sample. */
async function distance(bundle: string, what: string): Promise<{ readonly nats: number; readonly values: number }> {
  const file = path(`${what}-answers.safetensors`)
  const { log_likelihood: theirs, samples } = readSafetensors(readFileSync(file), file).tensors as Record<string, Tensor<'float32'>>
  const flow = await loadFlow(bundle, { device: 'cpu' })
  try {
    const most = (ours: ArrayLike<number>, { data }: Tensor<'float32'>): number =>
      data.reduce((max, value, i) => Math.max(max, Math.abs(ours[i]! - value)), 0)
    return { nats: most((await flow.score(x)).logLikelihood, theirs!), values: most((await flow.decode(z)).data, samples!) }
  } finally {
    await flow.dispose()
  }
}

/** The command that the refusal of a `.pt` tells, done. */
function convert(pt: string, out: string): void {
  const { status, stderr } = niceflow('import', path(pt), '--format', 'pytorch-nice', '--out', path('never'))
  expect(status).toBe(1)
  const [, command] = /^ {2}convert it: python (-c ".*") IN\.pt OUT\.safetensors$/m.exec(stderr)!
  execFileSync('sh', ['-c', `'${python}' ${command} '${path(pt)}' '${path(out)}'`])
}

test('a model that PyTorch trained for an epoch scores and draws the same here', async () => {
  masked('train', folder)
  convert('train.pt', 'trained.safetensors')
  const words = ['import', path('trained.safetensors'), '--format', 'pytorch-nice', '--out', path('trained'), '--json']
  const { parameters, fileParameters } = JSON.parse(done(...words)) as Record<string, number>
  expect([fileParameters, parameters]).toEqual([534_436, 298_060])
  await exportBundle(await readRun(path('trained')), path('bundle'))
  const { nats, values } = await distance(path('bundle'), 'train')
  expect(nats).toBeLessThan(natsTolerance)
  expect(values).toBeLessThan(valueTolerance)

  // And back: PyTorch's own class takes the state dict, every name and shape of it.
  done('export', path('bundle'), '--format', 'pytorch-nice', '--out', path('back.safetensors'))
  masked('load', folder, 'back.safetensors', '3', '4', '100', 'leaky-relu')
  const back = await distance(path('bundle'), 'load')
  expect(back.nats).toBeLessThan(natsTolerance)
  expect(back.values).toBeLessThan(valueTolerance)
})

test('so does one of the full size', async () => {
  masked('draw', folder, '4', '6', '1000')
  convert('draw.pt', 'full.safetensors')
  done('import', path('full.safetensors'), '--format', 'pytorch-nice', '--out', path('full'))
  await exportBundle(await readRun(path('full')), path('full-bundle'))
  const { nats, values } = await distance(path('full-bundle'), 'draw')
  expect(nats).toBeLessThan(natsTolerance)
  expect(values).toBeLessThan(valueTolerance)
})

test('a released model, which begins with the other half, scores and draws the same in PyTorch', async () => {
  const model = join(root, 'models', 'mnist-nice')
  done('export', model, '--format', 'pytorch-nice', '--out', path('released.safetensors'))
  masked('load', folder, 'released.safetensors', '5', '6', '1000', 'relu')
  const { nats, values } = await distance(model, 'load')
  expect(nats).toBeLessThan(natsTolerance)
  expect(values).toBeLessThan(valueTolerance)
})
