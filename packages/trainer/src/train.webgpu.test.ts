import { expect, it } from 'vitest'
import type { TrainProgress } from './fit.ts'
import { probeEngines } from './probe-engines.ts'
import { temporaryFolder, tinyOptions } from './tiny.fixture.ts'
import { train } from './train.ts'

/** Some hundred float32 steps whose sums are done in another order: nats of some ten. */
const runTolerance = 1e-2

it('is found usable by its numbers', async () => {
  const report = (await probeEngines()).find(({ engine, device }) => engine === 'onnxruntime' && device === 'webgpu')
  expect(report).toEqual({ engine: 'onnxruntime', device: 'webgpu', usable: true, error: expect.any(Number) })
})

it('trains as the CPU does, to a checkpoint that goes on there', async () => {
  const [there, here] = [temporaryFolder(), temporaryFolder()]
  const stop = new AbortController()
  const onProgress = (progress: TrainProgress): void => {
    if (progress.kind === 'epoch' && progress.record.epoch === 2) stop.abort()
  }
  const onGpu = train({ ...tinyOptions(), out: there, device: 'webgpu', signal: stop.signal, onProgress })
  await expect(onGpu).rejects.toThrow('training stopped in epoch 3')
  const [resumed, onCpu] = [await train({ ...tinyOptions(), out: there, resume: true }), await train({ ...tinyOptions(), out: here })]
  const validation = ({ state }: typeof onCpu): number[] => state.history.map((epoch) => epoch.validation!)
  expect(validation(resumed)).toHaveLength(3)
  validation(resumed).forEach((nats, i) => {
    expect(Math.abs(nats - validation(onCpu)[i]!)).toBeLessThan(runTolerance)
  })
})
