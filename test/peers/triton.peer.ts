import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dequantize, rows, type Tensor, tensor } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'
import { writeNpy } from '@niceflow/formats'
import { loadFlow } from '@niceflow/runtime-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTriton, type Triton } from './triton.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
const path = (...parts: string[]): string => join(folder, ...parts)

/** Nats of some 2,000: batches of other sizes, and another version of ONNX Runtime, add 784 terms in another order. */
const scoreTolerance = 5e-3
/** Of data on [0, 1]: the bound that `verify` holds every bundle to. */
const roundTripTolerance = 1e-4

const [count, dim] = [100, 784]
const model = 'mnist-nice'
let triton: Triton
let x: Tensor<'float32'>
let exact: Float64Array

beforeAll(async () => {
  const { test: images } = await loadDataset('mnist')
  const indices = Uint32Array.from({ length: count }, (_, i) => i)
  x = tensor('float32', [count, dim], dequantize(rows(images, 0, count), indices, { seed: 0, draw: 0, range: [0, 1] }))
  writeFileSync(path('x.npy'), writeNpy(x))
  const flow = await loadFlow(join(root, 'models', model), { device: 'cpu' })
  exact = (await flow.score(x)).logLikelihood
  await flow.dispose()
  const bin = join(root, 'packages', 'cli', 'bin', 'niceflow.mjs')
  const words = [bin, 'export', join(root, 'models', model), '--target', 'kserve', '--out', path('service')]
  execFileSync(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  triton = await startTriton(path('service', 'models'))
})

afterAll(async () => {
  await triton?.close()
  rmSync(folder, { recursive: true })
})

function expectScores(scores: readonly number[], way?: string): void {
  expect(scores.length, way).toBe(count)
  expect(Math.max(...scores.map((nats, i) => Math.abs(nats - exact[i]!))), way).toBeLessThan(scoreTolerance)
}

type Answer = {
  readonly live: boolean
  readonly models: Readonly<Record<string, { versions: string[]; inputs: object[]; outputs: object[] }>>
  readonly config: object
  readonly scores: Readonly<Record<'binary' | 'json' | 'alone', readonly number[]>>
  readonly roundTrip: number
}

describe('a real Triton with the repository as it was written', () => {
  test('gives a stock client the scores of the bare model', async () => {
    const words = [join(import.meta.dirname, 'client.py'), triton.url, model, path('x.npy')]
    const answer = JSON.parse(execFileSync(triton.python, words, { encoding: 'utf8' })) as Answer
    for (const [way, scores] of Object.entries(answer.scores)) {
      expectScores(scores, way)
    }
    expect(answer.roundTrip).toBeLessThan(roundTripTolerance)

    const port = (name: string, ...dims: number[]) => ({ name, datatype: 'FP32', shape: [-1, ...dims] })
    expect(answer).toMatchObject({
      live: true,
      models: {
        [`${model}_encoder`]: { versions: ['1'], inputs: [port('x', dim)], outputs: [port('z', dim), port('log_likelihood', 1)] },
        [`${model}_decoder`]: { versions: ['1'], inputs: [port('z', dim)], outputs: [port('x', dim)] },
      },
      config: {
        backend: 'onnxruntime',
        max_batch_size: 1024,
        dynamic_batching: { max_queue_delay_microseconds: 500, default_queue_policy: { max_queue_size: 1024 } },
        instance_group: [{ kind: 'KIND_CPU', count: 1 }],
      },
    })
  })

  test('and so it does with the lines that the page shows', () => {
    const page = readFileSync(join(root, 'packages', 'cli', 'docs', 'engines.md'), 'utf8')
    const code = /```py\n([\s\S]*?)```/.exec(page)![1]!.replace('localhost:8000', triton.url)
    const printed = execFileSync(triton.python, ['-c', code], { encoding: 'utf8', cwd: folder })
    expectScores(printed.match(/-?\d[\d.e+]*/g)!.map(Number))
  })
})
