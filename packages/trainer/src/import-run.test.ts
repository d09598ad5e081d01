import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { batches, dequantize, type Tensor, tensor } from '@niceflow/core'
import { splitIndices } from '@niceflow/data'
import { presets, type Recipe, resolveRecipe } from '@niceflow/engine'
import { graphMetadata } from '@niceflow/flow'
import { writeSafetensors } from '@niceflow/formats'
import { loadFlow } from '@niceflow/runtime-node'
import { describe, expect, onTestFinished, test } from 'vitest'
import { exportBundle } from './bundle.ts'
import type { TrainProgress } from './fit.ts'
import { type ImportedRun, importRun } from './import-run.ts'
import { type MaskedSizes, maskedForm, maskedStateDict } from './pytorch-nice.fixture.ts'
import { type Run, readRun } from './run.ts'
import { checkpoints, contentsOf, temporaryFolder, toyImages, toyRows } from './tiny.fixture.ts'
import { train } from './train.ts'

const sizes: MaskedSizes = { dim: 4, couplings: 3, layers: 3, hidden: 8 }
const tensors = maskedStateDict(sizes)
const data = toyImages(300)
const recipe: Recipe = resolveRecipe(presets.masked, { training: { epochs: 2, batchSize: 32 } }, 4)

function written(contents: Readonly<Record<string, Tensor>> | string | Uint8Array): string {
  const file = join(temporaryFolder(), 'weights.safetensors')
  const raw = typeof contents === 'string' || contents instanceof Uint8Array
  writeFileSync(file, raw ? contents : Buffer.concat(writeSafetensors(contents as Record<string, Tensor>)))
  return file
}

async function imported(options: Partial<Parameters<typeof importRun>[2]> = {}): Promise<{ out: string; run: ImportedRun }> {
  const out = join(temporaryFolder(), 'run')
  return { out, run: await importRun(written(tensors), out, { data, recipe, format: 'pytorch-nice', ...options }) }
}

async function flowOf(run: Run) {
  const folder = join(temporaryFolder(), 'bundle')
  await exportBundle(run, folder)
  const flow = await loadFlow(folder, { device: 'cpu', threads: 1 })
  onTestFinished(() => flow.dispose())
  return flow
}

/** Nats: single digits in float32. */
const tolerance = 1e-5

test('a run of imported weights is exported, and scores what they score, pixels as they were spread', async () => {
  const { out, run } = await imported()
  const read = await readRun(out)
  expect(read.state).toEqual(run.state)
  expect(read.state).toMatchObject({
    epoch: 0,
    step: 0,
    engine: 'pytorch',
    imported: { format: 'pytorch-nice', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
  })
  const flow = await flowOf(read)
  expect(flow.manifest.provenance).toMatchObject({ epochs: 0, steps: 0, imported: read.state.imported })
  expect(flow.manifest.model).toMatchObject({ pixels: true, dequantization: 'shared', imageShape: [2, 2] })
  expect(graphMetadata(flow.manifest, 'fp32')).toMatchObject({
    'niceflow.dequantization': 'x = min(1, pixel / 255 + u / 256), u uniform on (0, 1), one for all examples of a batch',
    'niceflow.noise': 'shared',
  })
  const reference = maskedForm(tensors, sizes)
  const x = toyRows(20, 4, 3).data
  const { logLikelihood } = await flow.score(x)
  for (const [i, nats] of logLikelihood.entries()) {
    expect(Math.abs(nats - reference.forward([...x.subarray(4 * i, 4 * i + 4)]).logLikelihood)).toBeLessThan(tolerance)
  }
  const images = tensor('uint8', [20, 4], data.examples.data.slice(0, 80) as Uint8Array)
  const indices = Uint32Array.from({ length: 20 }, (_, i) => i)
  const spread = dequantize(images, indices, { seed: 4, draw: 0, range: [0, 1], dequantization: 'shared' })
  expect((await flow.score(images, { seed: 4 })).logLikelihood).toEqual((await flow.score(spread)).logLikelihood)
})

test('is fitted further from where it is, by an optimizer that has not begun, the same twice', async () => {
  const [first, second] = [await imported(), await imported()]
  const config = { flow: first.run.state.recipe.flow, training: recipe.training }
  const options = { data, preset: 'masked', config, resume: true, device: 'cpu', threads: 1 } as const
  const { state } = await train({ ...options, out: first.out })
  expect(state).toMatchObject({ epoch: 2, step: 20, engine: 'pytorch, onnxruntime', imported: first.run.state.imported })
  expect(state.history[1]!.training).toBeGreaterThan(state.history[0]!.training)
  await train({ ...options, out: second.out })
  expect(checkpoints(second.out)).toEqual(checkpoints(first.out))
})

test('the first batch is scored by the imported weights, before they move', async () => {
  const stepwise: Recipe = { ...recipe, training: { ...recipe.training, epochs: 1, stepsPerRun: 1 } }
  const { out, run } = await imported({ recipe: stepwise })
  const config = { flow: run.state.recipe.flow, training: stepwise.training }
  const means: number[] = []
  const onProgress = (progress: TrainProgress): void => {
    if (progress.kind === 'steps') means.push(progress.logLikelihood)
  }
  await train({ data, preset: 'masked', config, resume: true, device: 'cpu', threads: 1, out, onProgress })
  const { train: indices } = splitIndices(300, 0, 0)
  const first = batches({ examples: data.examples, indices, ...stepwise.training, imageShift: undefined, epoch: 0, range: [0, 1] }).next()
    .value!
  const reference = maskedForm(tensors, sizes)
  const nats = Array.from({ length: 32 }, (_, i) => reference.forward([...first.x.subarray(4 * i, 4 * i + 4)]).logLikelihood)
  expect(Math.abs(means[0]! - nats.reduce((sum, value) => sum + value / 32, 0))).toBeLessThan(tolerance)
})

test('a crash while it is written leaves what can be gone on with, or nothing', async () => {
  const { out, run } = await imported()
  rmSync(join(out, 'best.safetensors'))
  rmSync(join(out, 'history.json'))
  const warnings: string[] = []
  const { state, parameters } = await readRun(out, (message) => warnings.push(message))
  expect(state.recipe).toEqual(run.state.recipe)
  expect(parameters).toEqual((await readRun((await imported()).out)).parameters)
  expect(warnings).toHaveLength(1)
})

describe('is refused', () => {
  const options = { data, recipe, format: 'pytorch-nice' } as const

  test('where there is a run already, which stays, and is replaced where that is asked for', async () => {
    const { out } = await imported()
    const before = contentsOf(out)
    const file = written(maskedStateDict(sizes, 2))
    await expect(importRun(file, out, options)).rejects.toMatchObject({
      message: `run ${out}: the folder holds a run already`,
      remedy: 'give another --out, or --overwrite it',
      usage: true,
    })
    expect(contentsOf(out)).toEqual(before)
    await importRun(file, out, { ...options, overwrite: true })
    expect(checkpoints(out)).not.toEqual(before)
  })

  test.each<[string, () => string, string, string]>([
    [
      'a .pt file',
      () => written(Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0)),
      'format: expected safetensors, got a ZIP archive, as torch.save writes it',
      'convert it: python -c "',
    ],
    [
      'an old .pt file',
      () => written(Uint8Array.of(0x80, 2, 0x8a, 10)),
      'format: expected safetensors, got a pickle, as torch.save writes it',
      'convert it: python -c "',
    ],
    [
      'what is no safetensors file',
      () => written('no safetensors at all'),
      'safetensors header: expected',
      'copy or download the file again',
    ],
    [
      'a file that is not there',
      () => join(temporaryFolder(), 'none'),
      'file: expected one that can be read, got ENOENT',
      'check the path',
    ],
    ['a folder', temporaryFolder, 'file: expected one that can be read, got EISDIR', 'check the path'],
    [
      'a file cut short',
      () => written(readFileSync(written(tensors)).subarray(0, -4)),
      'truncated tensor data: expected',
      'copy or download the file again',
    ],
  ])('%s', async (_, file, message, remedy) => {
    const [path, out] = [file(), join(temporaryFolder(), 'run')]
    await expect(importRun(path, out, options)).rejects.toMatchObject({
      message: expect.stringContaining(`${path}: ${message}`),
      remedy: expect.stringContaining(remedy),
    })
    expect(() => readFileSync(join(out, 'last.safetensors'))).toThrow('ENOENT')
  })

  test('for data of another size', async () => {
    const file = written(maskedStateDict({ ...sizes, dim: 6 }))
    await expect(importRun(file, temporaryFolder(), options)).rejects.toMatchObject({
      message: `dataset toy: expected 6 dimensions, as ${file} has, got 4`,
      remedy: 'name what the model was fitted to with --dataset',
    })
  })
})
