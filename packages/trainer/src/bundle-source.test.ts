import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Manifest, StorageType } from '@niceflow/core'
import { readBundle } from '@niceflow/runtime-node'
import { beforeAll, expect, test } from 'vitest'
import { amendBundle, exportBundle } from './bundle.ts'
import { readSource } from './bundle-source.ts'
import type { Run } from './run.ts'
import { contentsOf, histograms, temporaryFolder, tinyOptions, toyImages } from './tiny.fixture.ts'
import { train } from './train.ts'

let runs: readonly Run[]
beforeAll(async () => {
  runs = [await train({ ...tinyOptions(), data: toyImages(300) }), await train({ ...tinyOptions(histograms), data: toyImages(300) })]
})

const evaluation = { split: 'test', examples: 9, draws: 1, seed: 0, logLikelihood: { mean: 1, standardError: 2 }, bitsPerDim: 3 }
const calibration = { split: 'validation', examples: 2, quantiles: [[0, -2.5] as const, [1, 3.25] as const] }
const nats = { fp32: { mean: 0, standardError: 0 }, q8: { mean: 1, standardError: 0.1 } }

async function bundle(run: Run, ...dtypes: StorageType[]): Promise<string> {
  const folder = join(temporaryFolder(), 'toy')
  await exportBundle(run, folder, { dtypes })
  const ofThese = Object.fromEntries(dtypes.flatMap((dtype) => (dtype === 'fp16' ? [] : [[dtype, nats[dtype]]])))
  await amendBundle(folder, { evaluation, calibration, storageCost: { split: 'validation', examples: 2, nats: ofThese } })
  return folder
}

async function anew(folder: string, dtypes?: readonly StorageType[]): Promise<{ folder: string; manifest: Manifest }> {
  const out = join(temporaryFolder(), 'toy')
  const manifest = await exportBundle(await readSource(folder), out, { ...(dtypes && { dtypes }) })
  return { folder: out, manifest }
}

test.each([0, 1])('a bundle written anew is the same, byte by byte, whatever it stores (run %i)', async (which) => {
  for (const dtypes of [['fp32'], ['q8'], ['fp16', 'q8', 'fp32']] as const) {
    const folder = await bundle(runs[which]!, ...dtypes)
    expect(contentsOf((await anew(folder)).folder)).toEqual(contentsOf(folder))
  }
})

test('one of an older version gains the inpainter, and keeps its weights and what is known of it', async () => {
  const folder = await bundle(runs[0]!, 'q8')
  const path = join(folder, 'flow.json')
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as { variants: { q8: { inpainter?: string } } }
  delete manifest.variants.q8.inpainter
  writeFileSync(path, JSON.stringify(manifest))
  expect((await readBundle(folder)).paths.inpainter).toBeUndefined()
  const fresh = await anew(folder)
  expect(contentsOf(fresh.folder)['weights.bin']).toEqual(contentsOf(folder)['weights.bin'])
  expect((await readBundle(fresh.folder)).paths.inpainter).toBe(join(fresh.folder, 'inpainter.onnx'))
  expect(fresh.manifest).toMatchObject({ evaluation, calibration, storageCost: { nats: { q8: nats.q8 } } })
})

test('other storage types are made of float32 where it is there, and else refused; figures of another default do not hold', async () => {
  const folder = await bundle(runs[0]!, 'fp32')
  const made = await anew(folder, ['q8'])
  expect(contentsOf(made.folder)['weights.bin']).toEqual(contentsOf(await bundle(runs[0]!, 'q8'))['weights.bin'])
  expect(made.manifest).toMatchObject({ evaluation: null, calibration: null, storageCost: { nats: {} } })
  await expect(anew(made.folder, ['fp16'])).rejects.toMatchObject({
    message: `dtypes from bundle ${made.folder}: expected some of q8, which it has, got fp16`,
    remedy: 'export the run, which has the float32 parameters',
    usage: true,
  })
})

test('a bundle may be replaced by itself', async () => {
  const folder = await bundle(runs[0]!, 'q8')
  const before = contentsOf(folder)
  await exportBundle(await readSource(folder), folder, { overwrite: true })
  expect(contentsOf(folder)).toEqual(before)
})

test('a damaged bundle is no source, and a folder of neither names the run that is missing', async () => {
  const folder = await bundle(runs[0]!, 'q8')
  const bytes = readFileSync(join(folder, 'weights.bin'))
  bytes[0]! ^= 1
  writeFileSync(join(folder, 'weights.bin'), bytes)
  await expect(anew(folder)).rejects.toThrow('weights.bin: its content has changed')
  await expect(readSource(temporaryFolder())).rejects.toThrow('best.safetensors')
})
