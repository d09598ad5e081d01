import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dequantize, permutation, rows, streamKey, type Tensor, tensor } from '@niceflow/core'
import { loadImages } from '@niceflow/data'
import { decodeModel, evaluate } from '@niceflow/graph'
import type { Flow } from '@niceflow/runtime'
import { loadFlow } from '@niceflow/runtime-node'
import { exportBundle, train } from '@niceflow/trainer'
import { afterAll, beforeAll, expect, test } from 'vitest'

/** A model of MNIST, small but fitted and exported as every other is; its scores in ONNX Runtime, and the file itself in float64. */

/** Each is a sum of 784 float32 terms of a few nats, and kernels choose the order of their additions by the size of the batch. */
const orderTolerance = 5e-3
/** The bounds that `verify` holds every bundle to, nats. */
const meanTolerance = 1e-2
const anyTolerance = 5e-2

const count = 200
const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
const bundle = join(folder, 'digits')
const open: Flow[] = []
let pixels: Tensor<'uint8'>
let x: Tensor<'float32'>

async function flowOf(maxBatch: number): Promise<Flow> {
  const flow = await loadFlow(bundle, { device: 'cpu', maxBatch })
  open.push(flow)
  return flow
}

beforeAll(async () => {
  const dataset = await loadImages('mnist')
  const { name, sha256, imageShape } = dataset
  const config = { flow: { hiddenDim: 16, hiddenLayers: 1 }, training: { epochs: 4, batchSize: 50, validation: 500, learningRate: 3e-3 } }
  const run = await train({ data: { name, sha256, imageShape, examples: rows(dataset.train, 0, 2500) }, config, device: 'cpu' })
  await exportBundle(run, bundle)
  pixels = rows(dataset.test, 0, count)
  const indices = Uint32Array.from({ length: count }, (_, i) => i)
  x = tensor('float32', [count, dataset.dim], dequantize(dataset.test, indices, { seed: 0, draw: 0, range: [0, 1] }))
})

afterAll(async () => {
  for (const flow of open) await flow.dispose()
  rmSync(folder, { recursive: true })
})

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from({ length: count }, (_, i) => Math.abs(a[i]! - b[i]!)))

test("a bundle's scores are those of its encoder interpreted in float64", async () => {
  const weights = readFileSync(join(bundle, 'weights.bin'))
  const source = join(bundle, 'encoder.onnx')
  const { graph } = decodeModel(readFileSync(source), {
    source,
    readExternal: (_, offset, length) => weights.subarray(offset, offset + length),
  })
  const exact = evaluate(graph, { x }).log_likelihood!.data
  const { logLikelihood } = await (await flowOf(1024)).score(x)
  expect(largest(logLikelihood, exact)).toBeLessThan(anyTolerance)
  const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, nats) => sum + nats, 0) / count
  expect(Math.abs(mean(logLikelihood) - mean(exact))).toBeLessThan(meanTolerance)
})

test('pixels score as the floats that they are dequantised to', async () => {
  const flow = await flowOf(1024)
  expect((await flow.score(pixels)).logLikelihood).toEqual((await flow.score(x)).logLikelihood)
})

test('scores do not depend on the batches that they are computed in', async () => {
  const whole = (await (await flowOf(1024)).score(pixels, { draws: 3, seed: 5 })).logLikelihood
  for (const maxBatch of [1, 7]) {
    const { logLikelihood } = await (await flowOf(maxBatch)).score(pixels, { draws: 3, seed: 5 })
    expect(largest(logLikelihood, whole)).toBeLessThan(orderTolerance)
  }
})

test('scores do not depend on the order of the examples', async () => {
  const order = permutation(streamKey(1, 'probe', 0), count)
  const shuffled = tensor('float32', x.dims)
  for (const [to, from] of order.entries()) shuffled.data.set(rows(x, from, from + 1).data, to * x.dims[1]!)
  for (const maxBatch of [7, 1024]) {
    const flow = await flowOf(maxBatch)
    const [scores, permuted] = [(await flow.score(x)).logLikelihood, (await flow.score(shuffled)).logLikelihood]
    expect(
      largest(
        permuted,
        Float64Array.from(order, (from) => scores[from]!),
      ),
    ).toBeLessThan(orderTolerance)
  }
})
