import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rows, tensor } from '@niceflow/core'
import type { Dataset, SplitName } from '@niceflow/data'
import { codeSizes } from '@niceflow/formats'
import type { Flow } from '@niceflow/runtime'
import { loadFlow } from '@niceflow/runtime-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exportBundle } from './bundle.ts'
import { calibrateOn, scoreSelection, selectFor, selectionSizes, storageCost, summarize } from './evaluate.ts'
import { tinyOptions, toyImages } from './tiny.fixture.ts'
import { train } from './train.ts'

const images = toyImages(300)
const dataset: Dataset = {
  name: 'toy',
  sha256: images.sha256,
  dim: 4,
  imageShape: [2, 2],
  train: images.examples as Dataset['train'],
  test: tensor(
    'uint8',
    [3, 4],
    Uint8Array.from({ length: 12 }, (_, i) => 20 * i),
  ),
}

let flow: Flow
const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
beforeAll(async () => {
  const run = await train({ ...tinyOptions(), data: images })
  await exportBundle(run, join(folder, 'toy'))
  flow = await loadFlow(join(folder, 'toy'), { device: 'cpu', threads: 1 })
})
afterAll(async () => {
  await flow.dispose()
  rmSync(folder, { recursive: true })
})

const all = { examples: dataset.train, indices: Uint32Array.from({ length: 300 }, (_, i) => i) }
/** Float32 scores of a few nats, added in float64. */
const rounding = 1e-6

test('the scores of a selection are those of the runtime, draw by draw', async () => {
  const scores = await scoreSelection(flow, all, { draws: 3, seed: 7 })
  const { logLikelihood } = await flow.score(dataset.train, { draws: 3, seed: 7 })
  expect(Math.max(...scores.map((nats, i) => Math.abs(nats - logLikelihood[i]!)))).toBeLessThan(rounding)
})

test("an example's score is its own, whatever else is selected", async () => {
  const scores = await scoreSelection(flow, all)
  const some = await scoreSelection(flow, { ...all, indices: Uint32Array.of(250, 3) })
  expect([...some].map((nats, i) => Math.abs(nats - scores[[250, 3][i]!]!) < rounding)).toEqual([true, true])
})

test('progress counts every draw', async () => {
  const told: [number, number][] = []
  await scoreSelection(flow, all, { draws: 2, onProgress: (...progress) => told.push(progress) })
  expect(told).toEqual([
    [300, 600],
    [600, 600],
  ])
})

test('a summary is the mean with its standard error, and bits per dimension', () => {
  const evaluation = summarize(flow, 'test', Float64Array.of(1, 2, 3, 6), { draws: 2, seed: 5 })
  expect(evaluation).toEqual({
    split: 'test',
    examples: 4,
    draws: 2,
    seed: 5,
    logLikelihood: { mean: 3, standardError: Math.sqrt(14 / 3 / 4) },
    bitsPerDim: (Math.log(256) - 3 / 4) / Math.LN2,
  })
})

test('what storing costs is the mean of the paired differences, with its error', () => {
  const cost = storageCost('validation', Float64Array.of(10, 20, 30), { fp32: Float64Array.of(10, 20, 30), q8: Float64Array.of(9, 18, 27) })
  expect(cost).toEqual({
    split: 'validation',
    examples: 3,
    nats: { fp32: { mean: 0, standardError: 0 }, q8: { mean: 2, standardError: Math.sqrt(1 / 3) } },
  })
  expect(storageCost('test', Float64Array.of(1), { q8: Float64Array.of(0) })).toBeUndefined()
})

test("training and validation examples are those of the model's own run; its validation is repeated exactly", async () => {
  const of = (split: SplitName): number[] => [...selectFor(flow.manifest, dataset, split).indices]
  expect([...of('train'), ...of('validation')].sort((a, b) => a - b)).toEqual([...all.indices])
  expect(of('validation')).toHaveLength(50)
  expect(of('test')).toEqual([0, 1, 2])
})

test('a run on the first examples only held out some of those', () => {
  const shorter = { ...flow.manifest, provenance: { ...flow.manifest.provenance, trainingExamples: 70 } }
  const { indices } = selectFor(shorter, dataset, 'validation')
  expect(indices).toHaveLength(50)
  expect(Math.max(...indices)).toBeLessThan(120)
})

test('splits of other data, and data of another size, are refused', () => {
  const other = { ...dataset, sha256: 'b'.repeat(64) }
  expect([...selectFor(flow.manifest, other, 'test').indices]).toEqual([0, 1, 2])
  expect(() => selectFor(flow.manifest, other, 'validation')).toThrow(
    expect.objectContaining({
      message: expect.stringContaining(
        'dataset toy: expected the data that toy was trained on (toy), to know its validation split, got other data (SHA-256 bbbbbbbbbbbb…)',
      ),
      remedy: 'use the test split',
    }),
  )
  expect(() => selectFor(flow.manifest, { ...dataset, dim: 9 }, 'test')).toThrow('dataset toy: expected 4 dimensions, like toy, got 9')
})

test('a calibration is of the scores of the selection and of the sizes of its own examples', async () => {
  const some = { ...all, indices: Uint32Array.of(250, 3, 77) }
  const sizes = selectionSizes(flow.manifest.model, some)!
  const each = [250, 3, 77].map((i) => codeSizes(rows(dataset.train, i, i + 1), flow.manifest.model)![0])
  expect([...sizes]).toEqual(each)
  const calibration = calibrateOn(flow.manifest.model, 'test', some, await scoreSelection(flow, some))
  expect(calibration).toMatchObject({ split: 'test', examples: 3 })
  expect(calibration.bySize!.bits.at(-1)).toEqual([1, Math.max(...sizes)])
  expect(selectionSizes({ ...flow.manifest.model, pixels: false }, some)).toBeNull()
})
