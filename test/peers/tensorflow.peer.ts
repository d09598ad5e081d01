import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { engineEnvironment, nativePackage, readRecord } from '@niceflow/runtime-node'
import { expect, onTestFinished, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const record = readRecord('tfjs')!

/** Runs a module in a process of its own, as the engine is run, and reads the JSON that it prints. */
function inProcess<T>(code: string): T {
  const flags = ['--conditions=@niceflow/source', '--import', 'tsx', '--input-type=module', '--eval', code]
  const { status, stdout, stderr } = spawnSync(process.execPath, flags, {
    cwd: join(root, 'packages', 'cli'),
    env: { ...process.env, ...engineEnvironment('tfjs') },
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as T
}

test('the record tells what was set up, and where', () => {
  expect(record).toMatchObject({ engine: 'tfjs', source: 'pypi', build: 'cpu', package: nativePackage('tfjs') })
  expect(record.versions).toEqual({ 'tensorflow-cpu': '2.18.0' })
  expect(engineEnvironment('tfjs', { env: { ...process.env, LD_LIBRARY_PATH: '/opt/lib' } })?.LD_LIBRARY_PATH).toBe(
    [...record.libraries, '/opt/lib'].join(':'),
  )
})

test('libtensorflow multiplies, sums and differentiates through @tensorflow/tfjs-node-gpu', () => {
  const { version, gpu, backend, product, gradient } = inProcess<Record<string, unknown>>(`
    import { loadTensorflow } from '@niceflow/runtime-node'
    const { tf, version, gpu } = loadTensorflow()
    const x = tf.tensor2d([1, -2, 3, 0.5], [2, 2])
    const w = tf.tensor2d([1, 2, 3, 4], [2, 2])
    const gradient = tf.grad((w) => tf.sum(tf.relu(tf.matMul(x, w))))(w)
    const product = tf.matMul(x, w)
    console.log(JSON.stringify({
      version, gpu, backend: tf.getBackend(), product: Array.from(product.dataSync()), gradient: Array.from(gradient.dataSync()),
    }))`)
  expect({ version, gpu, backend }).toEqual({ version: '2.18.0', gpu: false, backend: 'tensorflow' })
  // [[1, -2], [3, 0.5]] [[1, 2], [3, 4]]; only the second row is above zero, and so is its alone the gradient's.
  expect(product).toEqual([-5, -6, 4.5, 8])
  expect(gradient).toEqual([3, 3, 0.5, 0.5])
})

test('it multiplies where Node has no more of `util` than Node 23', () => {
  const product = inProcess<number[]>(`
    import { createRequire } from 'node:module'
    import { loadTensorflow } from '@niceflow/runtime-node'
    const util = createRequire(import.meta.url)('node:util')
    for (const name of Object.keys(util)) if (/^is[A-Z]/.test(name) && name !== 'isDeepStrictEqual') delete util[name]
    const { tf } = loadTensorflow()
    console.log(JSON.stringify(Array.from(tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync())))`)
  expect(product).toEqual([11])
})

test('doctor tells its version, and proves it by numbers', () => {
  const bin = join(root, 'packages', 'cli', 'bin', 'niceflow.mjs')
  const { stdout } = spawnSync(process.execPath, [bin, 'doctor', '--json'], { encoding: 'utf8' })
  const { packages, training } = JSON.parse(stdout) as { packages: object; training: object[] }
  expect(packages).toMatchObject({ '@tensorflow/tfjs-node-gpu': '4.22.0', libtensorflow: '2.18.0' })
  expect(training).toContainEqual({ engine: 'tfjs', device: 'cpu', usable: true, error: expect.any(Number) })
})

test('without TensorFlow the loader says what gets it', () => {
  // A Node-API that the package has no addon for.
  const { name, message, remedy } = inProcess<Record<string, string>>(`
    import { loadTensorflow } from '@niceflow/runtime-node'
    Object.defineProperty(process.versions, 'napi', { value: '7' })
    try { loadTensorflow() } catch ({ name, message, remedy }) { console.log(JSON.stringify({ name, message, remedy })) }`)
  expect({ name, message }).toEqual({
    name: 'TensorflowError',
    message: '@tensorflow/tfjs-node-gpu has no native addon: its install script did not run',
  })
  expect(remedy).toContain('niceflow setup tensorflow')
})

test('a cache that is taken away leaves no environment', () => {
  const NICEFLOW_CACHE = mkdtempSync(join(tmpdir(), 'niceflow-'))
  onTestFinished(() => rmSync(NICEFLOW_CACHE, { recursive: true }))
  expect(engineEnvironment('tfjs', { env: { NICEFLOW_CACHE } })).toBeUndefined()
})
