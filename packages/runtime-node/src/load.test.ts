import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { dequantizeRow, streamKey } from '@niceflow/core'
import type { ProgressInfo } from '@niceflow/runtime'
import { expect, test } from 'vitest'
import { loadFlow } from './index.ts'
import { exactLogLikelihood, failure, writeBundle } from './tiny.fixture.ts'

/** ONNX Runtime's float32 softplus and sums of three terms below ten. */
const tolerance = 1e-5

test('a loaded flow scores pixels with the density of its graphs', async () => {
  const flow = await loadFlow(writeBundle(), { device: 'cpu' })
  const pixels = Uint8Array.of(0, 100, 255, 30, 60, 90)
  const { logLikelihood } = await flow.score(pixels, { seed: 8 })
  const x = new Float32Array(3)
  for (const row of [0, 1]) {
    dequantizeRow(pixels.subarray(3 * row, 3 * row + 3), streamKey(8, 'dequantization', row), [0, 1], x)
    expect(Math.abs(logLikelihood[row]! - exactLogLikelihood([...x]))).toBeLessThan(tolerance)
  }
  await flow.dispose()
})

test('decode(encode(x)) = x, whatever the batches, on the device that was asked for', async () => {
  const x = Float32Array.from({ length: 30 }, (_, i) => i / 30)
  for (const maxBatch of [1, 3, 1024]) {
    const flow = await loadFlow(writeBundle(), { device: 'cpu', threads: 1, maxBatch })
    expect(flow.device).toBe('cpu')
    const { z } = await flow.encode(x)
    expect(z.data.subarray(0, 3)).toEqual(Float32Array.of(0, 2 * x[1]!, 4 * x[2]!))
    // Factors 1, 2 and 4 are exact.
    expect((await flow.decode(z)).data).toEqual(x)
    await flow.dispose()
  }
})

test('loading tells of its files and then that it is ready', async () => {
  const heard: ProgressInfo[] = []
  const flow = await loadFlow(writeBundle(), { device: 'cpu', progress_callback: (info) => heard.push(info) })
  const file = ['initiate', 'progress', 'done']
  expect(heard.map(({ status }) => status)).toEqual([...file, ...file, ...file, 'ready'])
  expect(heard.at(-1)).toEqual({ status: 'ready', name: 'tiny' })
  await flow.dispose()
})

test('a bad bundle is refused before anything is opened', async () => {
  const dir = writeBundle()
  rmSync(join(dir, 'weights.bin'))
  expect((await failure(loadFlow(dir))).message).toBe(`${join(dir, 'weights.bin')}: missing`)
})

test('a bad option is refused', async () => {
  expect((await failure(loadFlow(writeBundle(), { device: 'cpu', maxBatch: 0 }))).message).toBe(
    'maxBatch: expected an integer from 1, got 0',
  )
})
