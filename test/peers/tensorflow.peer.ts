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
