import { join } from 'node:path'
import { type Tensor, tensor } from '@niceflow/core'
import { dataFacts, dataWarnings } from '@niceflow/engine'
import type { FlowConfig } from '@niceflow/flow'
import { loadFlow } from '@niceflow/runtime-node'
import { expect, test } from 'vitest'
import { exportBundle } from './bundle.ts'
import type { Run } from './run.ts'
import { histograms, temporaryFolder, tinyOptions, toyImages, toyRows } from './tiny.fixture.ts'
import { type TrainOptions, train } from './train.ts'
import { asTrainingData } from './training-data.ts'

test("a caller's array is known by the hash of its values", () => {
  const [one, same, other] = [toyRows(10, 4), toyRows(10, 4), toyRows(10, 4, 2)].map((rows) => asTrainingData(rows).sha256)
  expect(one).toBe(same)
  expect(one).not.toBe(other)
  expect(one).toMatch(/^[0-9a-f]{64}$/)
})

test('what is remembered of data is everything but the data', () => {
  const { examples, ...facts } = toyImages(10)
  expect(dataFacts({ examples, ...facts })).toEqual({ ...facts, count: 10, pixels: true })
})

const nan = tensor('float32', [3, 2], Float32Array.of(0, 1, 2, 3, Number.NaN, 5))

test.each([
  [
    toyRows(10, 1),
    'data "array": expected at least 2 dimensions, got 1',
    'give examples of two numbers or more: a coupling layer needs two halves',
  ],
  [tensor('float32', [12]), 'data "array": expected examples of shape [count, dim], got [12]', undefined],
  [tensor('uint8', [2, 2, 2]), 'data "array": expected examples of shape [count, dim], got [2, 2, 2]', undefined],
  [toyRows(1, 4), 'data "array": expected at least 2 examples, got 1', undefined],
  [nan, 'data "array", row 2, column 0: expected a finite number, got NaN', 'remove the row or fill in the value'],
])('training refuses data of shape %#', async (data, message, remedy) => {
  await expect(train({ data })).rejects.toMatchObject({ name: 'InvalidValueError', message, remedy })
})

/** Three columns that are one number each, beside one that varies. */
function constantColumns<D extends 'uint8' | 'float32'>(dtype: D, values: readonly [number, number, number]): Tensor<D> {
  const rows = tensor(dtype, [300, 4])
  const varying = toyRows(300, 1).data
  for (let row = 0; row < 300; row++) rows.data.set([...values, (dtype === 'uint8' ? 256 : 1) * varying[row]!], 4 * row)
  return rows
}

const models = [
  {},
  { shiftUnit: 'deviation' },
  { law: 'affine', prior: 'gaussian', preprocessing: [{ kind: 'standardize' }] },
] as const satisfies readonly Partial<FlowConfig>[]

/** Trains, and scores some of the data with the bundle that comes of it. */
async function fitted(
  data: Tensor<'uint8'> | Tensor<'float32'>,
  model: Partial<FlowConfig>,
): Promise<{ run: Run; warnings: string[]; scores: number[] }> {
  const warnings: string[] = []
  const onProgress: TrainOptions['onProgress'] = (progress) => {
    if (progress.kind === 'warning') warnings.push(progress.message)
  }
  const run = await train({ ...tinyOptions({ flow: model }), data, onProgress })
  const bundle = join(temporaryFolder(), 'bundle')
  await exportBundle(run, bundle)
  const flow = await loadFlow(bundle)
  const { logLikelihood } = await flow.score(data.data.subarray(0, 40), { seed: 1 })
  await flow.dispose()
  return { run, warnings, scores: [...logLikelihood] }
}

test.each([...models, histograms.flow])('constant pixels are learnt as the noise within their cells: %j', async (model) => {
  const { run, warnings, scores } = await fitted(constantColumns('uint8', [0, 255, 7]), model)
  expect(warnings).toEqual([])
  const { history } = run.state
  // No mean density of pixels exceeds ln 256 a dimension.
  expect(history.at(-1)!.validation).toBeLessThan(4 * Math.log(256))
  expect(history.at(-1)!.validation).toBeGreaterThan(history[0]!.validation!)
  expect(scores.filter(Number.isFinite)).toHaveLength(10)
})

test.each(models)('constant columns of floats are warned of, and do no harm: %j', async (model) => {
  const { run, warnings, scores } = await fitted(constantColumns('float32', [0, 10, 0.1]), model)
  const message =
    'data "array": 3 columns are constant, the first of them 1 of 4: a density has no bound there; leave out what tells nothing'
  expect(warnings).toEqual([message])
  const { history } = run.state
  expect(history.at(-1)!.validation).toBeGreaterThan(history[0]!.validation!)
  // They are not blown up to the scale of a prior: rounding errors would be.
  expect(history[0]!.training).toBeGreaterThan(-100)
  expect(scores.filter(Number.isFinite)).toHaveLength(10)
})

test('a single constant column is named', () => {
  const rows = toyRows(100, 3)
  for (let row = 0; row < 100; row++) rows.data[3 * row + 1] = 0.5
  expect(dataWarnings(asTrainingData(rows))).toEqual([
    'data "array": column 2 of 3 is constant: a density has no bound there; leave out what tells nothing',
  ])
  expect(dataWarnings({ ...asTrainingData(rows), columns: ['a', 'b', 'c'] })[0]).toContain('column b is constant')
  expect(dataWarnings(asTrainingData(toyRows(100, 3)))).toEqual([])
})
