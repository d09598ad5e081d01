import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { dequantize, tensor } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'
import { loadFlow } from '@niceflow/runtime-node'
import { verifyBundle } from '@niceflow/trainer'
import { expect, test } from 'vitest'

const models = join(import.meta.dirname, '..', 'models')
/** Few: in software a layer of a thousand units takes its time. */
const count = 2

test.each(readdirSync(models))("%s inverts and has the float64 reference's numbers on WebGPU", async (name) => {
  const folder = join(models, name)
  const { test: images, dim } = await loadDataset('mnist')
  const flow = await loadFlow(folder, { device: 'webgpu' })
  try {
    expect(flow.device).toBe('webgpu')
    const { dataRange: range } = flow.manifest.model
    const x = tensor('float32', [count, dim], dequantize(images, Uint32Array.of(0, 1), { seed: 0, draw: 0, range }))
    expect((await verifyBundle(folder, flow, x)).examples).toBe(count)
  } finally {
    await flow.dispose()
  }
})
