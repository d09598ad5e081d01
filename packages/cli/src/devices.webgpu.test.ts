import { readFileSync } from 'node:fs'
import { readNpy } from '@niceflow/formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answer, niceflow, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

/** Eight steps: in software each takes a part of a second. */
const model = [...tinyModel, ...'--max-iter 2 --limit 600 --validation 200 --batch-size 100 --coupling 2'.split(' ')]

/** Eight float32 steps whose sums are done in another order; relative. */
const trainingTolerance = 1e-3
/** One pass through the same weights; relative. */
const scoreTolerance = 1e-5
/** The same, of values on [0, 1] that the inverse of the scaling brings there. */
const sampleTolerance = 1e-5

type Trained = { readonly device: string; readonly engine: string; readonly epochs: number; readonly best: { readonly validation: number } }

let onCpu: Trained
beforeAll(async () => {
  onCpu = await answer(['train', ...model, '--device', 'cpu', '--out', path('cpu')])
})

const relative = (got: number, expected: number): number => Math.abs(got / expected - 1)

test('train --device webgpu fits as the CPU does, and says so', async () => {
  const { code, stdout, stderr } = await niceflow(['train', ...model, '--device', 'webgpu', '--out', path('gpu'), '--json'])
  expect(code, stderr).toBe(0)
  expect(stderr).toContain('\nengine: onnxruntime on webgpu\n')
  const { best, ...trained } = JSON.parse(stdout) as Trained
  expect(trained).toMatchObject({ engine: 'onnxruntime', device: 'webgpu', epochs: 2 })
  expect(relative(best.validation, onCpu.best.validation)).toBeLessThan(trainingTolerance)
})

test('what it was stopped in, the CPU goes on with', async () => {
  let asked = false
  const { code, stderr } = await niceflow(['train', ...model, '--device', 'webgpu', '--out', path('stopped')], {
    onStderr: (soFar, child) => {
      if (!asked && soFar.includes('epoch 1/2')) asked = child.kill('SIGINT')
    },
  })
  expect(code, stderr).toBe(130)
  const resumed = await answer<Trained>(['train', ...model, '--device', 'cpu', '--out', path('stopped'), '--resume'])
  expect(resumed).toMatchObject({ device: 'cpu', epochs: 2 })
  expect(relative(resumed.best.validation, onCpu.best.validation)).toBeLessThan(trainingTolerance)
})

test('a bundle scores, samples and is verified there as on the CPU', async () => {
  await answer(['export', path('cpu'), '--out', path('digits'), '--device', 'cpu'])
  const on = async (device: string): Promise<{ score: number; samples: ArrayLike<number | bigint> }> => {
    const words = ['--dataset', 'mnist', '--split', 'validation', '--draws', '1', '--device', device]
    const evaluated = await answer<{ device: string; logLikelihood: { mean: number } }>(['eval', path('digits'), ...words])
    const out = path(`${device}.npy`)
    const sampled = await answer<{ device: string }>(['sample', path('digits'), '--count', '4', '--out', out, '--device', device])
    const verified = await answer<{ device: string }>(['verify', path('digits'), '--images', '4', '--device', device])
    expect([evaluated, sampled, verified].map((found) => found.device)).toEqual([device, device, device])
    return { score: evaluated.logLikelihood.mean, samples: readNpy(readFileSync(out), out).data }
  }
  const [cpu, gpu] = [await on('cpu'), await on('webgpu')]
  expect(relative(gpu.score, cpu.score)).toBeLessThan(scoreTolerance)
  const farthest = Array.from(gpu.samples, (value, i) => Math.abs(Number(value) - Number(cpu.samples[i]!)))
  expect(Math.max(...farthest)).toBeLessThan(sampleTolerance)
})
