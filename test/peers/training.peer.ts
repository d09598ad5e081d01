import { type ChildProcess, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tensor } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'
import { engineEnvironment } from '@niceflow/runtime-node'
import { engineProcess, presets, type Recipe, resolveRecipe, startRun, type TrainingData } from '@niceflow/trainer'
import { describe, expect, onTestFinished, test } from 'vitest'
import { cpu, lossTolerance, type Open, parity, type Target, tenSteps, warmState, weightTolerance } from '../gpu/measures.ts'

const dim = 784
const { train, sha256, imageShape } = await loadDataset('mnist')
const data: TrainingData = {
  name: 'mnist',
  sha256,
  imageShape,
  examples: tensor('uint8', [12_000, dim], train.data.slice(0, 12_000 * dim)),
}

const tfjs: Target = { engine: 'tfjs', device: 'cpu' }
const open: Open = ({ engine, device }, recipe, constants) =>
  engineProcess({ engine, device, recipe, constants }, { env: engine === 'tfjs' ? engineEnvironment('tfjs')! : {} })

const models: Readonly<Record<string, Recipe>> = {
  'a small model': resolveRecipe(presets.paper, { flow: { couplings: 2, hiddenLayers: 2, hiddenDim: 128 } }, dim),
  "the paper's model": resolveRecipe(presets.paper, {}, dim),
  'the small model, affine, with every part of an optimizer': resolveRecipe(
    presets.affine,
    {
      flow: { couplings: 2, hiddenLayers: 2, hiddenDim: 128 },
      training: { learningRate: 1e-3, epsilon: 1e-4, clip: 1, averaging: 0.9, dropout: 0.1, weightDecay: 0.1 },
    },
    dim,
  ),
}

describe('ten steps of TensorFlow are those of ONNX Runtime', () => {
  test.each(Object.entries(models))('%s', async (_, recipe) => {
    const from = await warmState(open, recipe, data)
    const { loss, weights } = parity(await tenSteps(open, tfjs, recipe, data, from), await tenSteps(open, cpu, recipe, data, from))
    expect(loss).toBeLessThan(lossTolerance)
    expect(weights).toBeLessThan(weightTolerance)
  })
})

/** Runs the command as its users do, and reads its answer. */
function niceflow<T>(...args: readonly string[]): { readonly answer: T; readonly stderr: string } {
  const bin = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'bin', 'niceflow.mjs')
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args, '--json'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return { answer: JSON.parse(stdout) as T, stderr }
}

test('a run that TensorFlow began on MNIST goes on in ONNX Runtime, and comes near to one that had either alone', () => {
  /** Nats. Differences of rounding grow over some hundred steps with a high rate. */
  const runTolerance = 5
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const flags =
    '--dataset mnist --preset quick --mid-dim 64 --hidden 2 --limit 6000 --validation 1000 --schedule constant --sample-size 0'.split(' ')
  type Answer = { readonly epochs: number; readonly engine: string; readonly device: string; readonly logLikelihood: number }
  const run = (out: string, ...more: string[]): Answer => niceflow<Answer>('train', '--out', join(folder, out), ...flags, ...more).answer
  const alone = { tfjs: run('tfjs', '--engine', 'tfjs', '--max-iter', '3'), ort: run('ort', '--engine', 'onnxruntime', '--max-iter', '3') }
  expect(alone.tfjs).toMatchObject({ engine: 'tfjs', device: 'cpu', epochs: 3 })
  expect(alone.ort).toMatchObject({ engine: 'onnxruntime', device: 'cpu', epochs: 3 })
  expect(Math.abs(alone.tfjs.logLikelihood - alone.ort.logLikelihood)).toBeLessThan(runTolerance)
  const log = readFileSync(join(folder, 'tfjs', 'best.safetensors'), 'latin1')
  expect(log).toContain('tfjs')
})

test('the memory of its process is flat over 2,000 steps', async () => {
  /** Of what is resident after the first half: garbage comes and goes. */
  const growth = 1.1
  const recipe = resolveRecipe(presets.paper, { flow: { couplings: 2, hiddenLayers: 1, hiddenDim: 32 } }, dim)
  const { arrays, constants } = await startRun(data, recipe)
  let child: ChildProcess | undefined
  const engine = await engineProcess(
    { ...tfjs, recipe, constants },
    {
      env: engineEnvironment('tfjs')!,
      onStart: (started) => {
        child = started
      },
    },
  )
  await engine.load({ step: 0, arrays })
  const x = tensor('float32', [100, 20, dim], new Float32Array(100 * 20 * dim).fill(0.5))
  const resident: number[] = []
  for (let steps = 0; steps < 2000; steps += 100) {
    await engine.train({ x, learningRates: new Float64Array(100).fill(1e-6) })
    resident.push(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child!.pid}/status`, 'utf8'))![1]))
  }
  await engine.dispose()
  expect(Math.max(...resident.slice(10))).toBeLessThan(growth * Math.max(...resident.slice(0, 10)))
})
