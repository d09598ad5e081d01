import { sessionLaws } from '@niceflow/runtime/laws'
import { describe, expect, test } from 'vitest'
import { loadFlow, openSession, probeDevices } from './index.ts'
import { writeBundle } from './tiny.fixture.ts'

/** Softplus and sums of three terms below ten, in float32. */
const tolerance = 1e-5

describe('device webgpu', () => {
  test('is found usable by its numbers', async () => {
    expect((await probeDevices()).find(({ device }) => device === 'webgpu')).toEqual({ device: 'webgpu', usable: true })
  })
  for (const { title, check } of sessionLaws('webgpu', (model) => openSession(model, { device: 'webgpu' }))) test(title, check)
})

test('a loaded flow scores, encodes and decodes as on the CPU', async () => {
  const bundle = writeBundle()
  const x = Float32Array.from({ length: 30 }, (_, i) => i / 30)
  const on = async (device: 'cpu' | 'webgpu'): Promise<Float32Array[]> => {
    const flow = await loadFlow(bundle, { device, maxBatch: 4 })
    expect(flow.device).toBe(device)
    const { z, logLikelihood } = await flow.encode(x)
    const answers = [z.data, logLikelihood, (await flow.decode(z)).data]
    await flow.dispose()
    return answers
  }
  const [cpu, gpu] = [await on('cpu'), await on('webgpu')]
  gpu.forEach((values, i) => {
    values.forEach((value, k) => {
      expect(Math.abs(value - cpu[i]![k]!)).toBeLessThan(tolerance)
    })
  })
})
