import { nativePackage } from '@niceflow/runtime-node'
import { expect, test } from 'vitest'
import { assertRoom, bytesOf } from './install.ts'
import { bytesNeeded, versionsOf, wheelsFor } from './plan.ts'
import { tinyWheel } from './wheel.fixture.ts'
import { onnxruntimeCuda, tensorflowCpu, tensorflowCuda } from './wheels.ts'

const tfjs = nativePackage('tfjs')!
const onnxruntime = nativePackage('onnxruntime')!

test('the pins are whole, and no file is pinned twice', () => {
  const all = [...tensorflowCpu, ...tensorflowCuda, ...Object.values(onnxruntimeCuda).flat()]
  for (const { file, sha256, bytes, keptBytes, keep } of all) {
    expect(file).toMatch(/^[a-z0-9_]+-\d+(\.\d+)+-(cp311-cp311|py3-none)-manylinux[a-z0-9_.]+_x86_64\.whl$/)
    expect(sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(keptBytes).toBeGreaterThan(0)
    expect(bytes).toBeGreaterThan(0)
    expect(keep.length).toBeGreaterThan(0)
  }
  expect(new Set(all.map(({ sha256 }) => sha256)).size).toBe(all.length)
})

test('onnxruntime-node as it is installed has a CUDA provider of its version', () => {
  expect(versionsOf(wheelsFor('onnxruntime', 'cuda', onnxruntime, 'linux-x64'))).toMatchObject({ 'onnxruntime-gpu': onnxruntime.version })
})

test('TensorFlow for the CPU is one wheel, for CUDA it comes with CUDA 12 and cuDNN', () => {
  expect(versionsOf(wheelsFor('tfjs', 'cpu', tfjs, 'linux-x64'))).toEqual({ 'tensorflow-cpu': '2.18.0' })
  expect(Object.keys(versionsOf(wheelsFor('tfjs', 'cuda', tfjs, 'linux-x64')))).toEqual(
    expect.arrayContaining(['tensorflow', 'nvidia-cublas-cu12', 'nvidia-cudnn-cu12', 'nvidia-cusolver-cu12']),
  )
})

test('another platform is refused', () => {
  expect(() => wheelsFor('tfjs', 'cpu', tfjs, 'darwin-arm64')).toThrow("PyPI's libraries for tfjs: expected linux-x64, got darwin-arm64")
})

test('another version of onnxruntime-node is refused', () => {
  expect(() => wheelsFor('onnxruntime', 'cuda', { ...onnxruntime, version: '1.20.0' }, 'linux-x64')).toThrow(
    'onnxruntime-node: expected version 1.30.0, got 1.20.0',
  )
})

test('the disk must hold what is kept, and one wheel beside it', async () => {
  const wheels = [tinyWheel({ bytes: 3e9, keptBytes: 5e9 }).wheel, tinyWheel({ bytes: 1e9, keptBytes: 2e9 }).wheel]
  expect(bytesOf(wheels)).toBe(4e9)
  expect(bytesNeeded(wheels)).toBe(10e9)
  await expect(assertRoom('/cache', wheels, async () => 10e9)).resolves.toBeUndefined()
  await expect(assertRoom('/cache', wheels, async () => 9e9)).rejects.toMatchObject({
    message: '/cache: expected 10,000.0 MB free on its disk, got 9,000.0 MB',
    remedy: 'free some, or name a folder on another disk in the variable NICEFLOW_CACHE',
  })
})
