import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tensor } from '@niceflow/core'
import { loadImages } from '@niceflow/data'
import { engineProcess, presets, type Recipe, readRun, resolveRecipe, startRun, type TrainingData } from '@niceflow/trainer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cpu, lossTolerance, parity, type Target, tenSteps, warmState, weightTolerance } from '../gpu/measures.ts'

const dim = 784
const { train, sha256, imageShape } = await loadImages('mnist')
const data: TrainingData = {
  name: 'mnist',
  sha256,
  imageShape,
  examples: tensor('uint8', [12_000, dim], train.data.slice(0, 12_000 * dim)),
}

const tfjs: Target = { engine: 'tfjs', device: 'cpu' }

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
    const from = await warmState(recipe, data)
    const { loss, weights } = parity(await tenSteps(tfjs, recipe, data, from), await tenSteps(cpu, recipe, data, from))
    expect(loss).toBeLessThan(lossTolerance)
    expect(weights).toBeLessThan(weightTolerance)
  })
})

const root = join(import.meta.dirname, '..', '..')

/** Runs the command as its users do; `onStderr` hears what is on stderr so far, and may act on the process. */
async function niceflow(args: readonly string[], onStderr: (soFar: string, child: ChildProcess) => void = () => {}) {
  const child = spawn(process.execPath, [join(root, 'packages', 'cli', 'bin', 'niceflow.mjs'), ...args, '--json'])
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    onStderr(stderr, child)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

describe('a run of TensorFlow on MNIST', () => {
  /** Nats. Differences of rounding grow over some hundred steps with a high rate. */
  const runTolerance = 5
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const flags =
    '--dataset mnist --preset quick --mid-dim 64 --hidden 2 --limit 6000 --validation 1000 --schedule constant --sample-size 0 --max-iter 3'.split(
      ' ',
    )
  const words = (out: string, engine: string): string[] => ['train', '--out', join(folder, out), ...flags, '--engine', engine]
  type Answer = { readonly epochs: number; readonly engine: string; readonly device: string; readonly logLikelihood: number }
  const answerOf = async (run: ReturnType<typeof niceflow>): Promise<Answer> => {
    const { code, stdout, stderr } = await run
    if (code !== 0) throw new Error(stderr)
    return JSON.parse(stdout) as Answer
  }
  const engineOfRun = async (out: string): Promise<string> => (await readRun(join(folder, out))).state.engine
  let ort: Answer
  beforeAll(async () => {
    ort = await answerOf(niceflow(words('ort', 'onnxruntime')))
  })

  test('comes near to one of ONNX Runtime', async () => {
    const alone = await answerOf(niceflow(words('tfjs', 'tfjs')))
    expect(alone).toMatchObject({ engine: 'tfjs', device: 'cpu', epochs: 3 })
    expect(await engineOfRun('tfjs')).toBe('tfjs')
    expect(Math.abs(alone.logLikelihood - ort.logLikelihood)).toBeLessThan(runTolerance)
  })

  test('goes on in ONNX Runtime where it was stopped', async () => {
    let asked = false
    const stopped = await niceflow(words('both', 'tfjs'), (soFar, child) => {
      if (!asked && soFar.includes('epoch 1/3')) asked = child.kill('SIGINT')
    })
    expect(stopped.code, stopped.stderr).toBe(130)
    expect(await engineOfRun('both')).toBe('tfjs')
    const resumed = await answerOf(niceflow([...words('both', 'onnxruntime'), '--resume']))
    expect(resumed).toMatchObject({ engine: 'onnxruntime', device: 'cpu', epochs: 3 })
    expect(await engineOfRun('both')).toBe('tfjs, onnxruntime')
    expect(Math.abs(resumed.logLikelihood - ort.logLikelihood)).toBeLessThan(runTolerance)
  })
})

test('the suite for GPUs runs whole on the build for the CPU', () => {
  const suite = ['--conditions=@niceflow/source', '--import', 'tsx', join(root, 'test', 'gpu', 'main.ts'), '--rehearse', '--json']
  const { status, stdout, stderr } = spawnSync(process.execPath, suite, { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  const { results } = JSON.parse(stdout) as { results: { engine: string; device: string; parity: { small: { holds: boolean } } }[] }
  expect(results).toContainEqual(
    expect.objectContaining({ ...tfjs, parity: { small: expect.objectContaining({ holds: true }) }, placement: null }),
  )
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
