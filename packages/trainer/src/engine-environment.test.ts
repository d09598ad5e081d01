import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DeviceUnavailableError } from '@niceflow/runtime'
import { type InstallRecord, type NativeEngine, nativePackage, recordPath } from '@niceflow/runtime-node'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { engineVariables } from './engine-environment.ts'

let cache: string
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'niceflow-'))
  for (const [name, value] of Object.entries({ NICEFLOW_CACHE: cache, LD_LIBRARY_PATH: '' })) vi.stubEnv(name, value)
  for (const name of ['CUDA_DEVICE_ORDER', 'NVIDIA_TF32_OVERRIDE', 'TF_CPP_MIN_LOG_LEVEL', 'TF_FORCE_GPU_ALLOW_GROWTH'])
    vi.stubEnv(name, undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(cache, { recursive: true })
})

/** A record as `niceflow setup` leaves it. */
function record(engine: NativeEngine, build: 'cpu' | 'cuda'): void {
  const found = nativePackage(engine)!
  const written: InstallRecord = {
    ...{ format: 1, engine, package: found, source: 'pypi', build },
    ...{ files: ['package.json'], libraries: [cache], versions: {} },
  }
  const path = recordPath(engine, found.folder)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, JSON.stringify(written))
}

describe('the variables of an engine', () => {
  it('are the folders of CUDA for onnxruntime there, and none elsewhere', () => {
    expect(engineVariables({ engine: 'onnxruntime', device: 'cuda' })).toEqual({})
    record('onnxruntime', 'cuda')
    const found = { LD_LIBRARY_PATH: cache, CUDA_DEVICE_ORDER: 'PCI_BUS_ID' }
    expect(engineVariables({ engine: 'onnxruntime', device: 'cuda' })).toEqual({ ...found, NVIDIA_TF32_OVERRIDE: '0' })
    expect(engineVariables({ engine: 'onnxruntime', device: 'cuda', tf32: true })).toEqual(found)
    for (const device of ['cpu', 'webgpu'] as const) expect(engineVariables({ engine: 'onnxruntime', device })).toEqual({})
  })

  it("are TensorFlow's libraries, its GPU and its threads for tfjs", () => {
    record('tfjs', 'cuda')
    expect(engineVariables({ engine: 'tfjs', device: 'cuda', deviceId: 2 })).toMatchObject({
      LD_LIBRARY_PATH: cache,
      CUDA_VISIBLE_DEVICES: '2',
      NVIDIA_TF32_OVERRIDE: '0',
    })
    expect(engineVariables({ engine: 'tfjs', device: 'cpu', threads: 3 })).toMatchObject({
      LD_LIBRARY_PATH: cache,
      CUDA_VISIBLE_DEVICES: '-1',
      TF_NUM_INTRAOP_THREADS: '3',
      OMP_NUM_THREADS: '3',
    })
  })

  it('are not to be had where TensorFlow is not set up, or for the CPU alone', () => {
    const refused = (device: 'cpu' | 'cuda') => {
      try {
        return engineVariables({ engine: 'tfjs', device })
      } catch (error) {
        const { name, reason, remedy } = error as DeviceUnavailableError
        return { name, reason, remedy }
      }
    }
    const { name } = new DeviceUnavailableError({ device: 'cpu', reason: '' })
    expect(refused('cpu')).toEqual({
      name,
      reason: 'TensorFlow is not set up',
      remedy: 'run niceflow setup tensorflow (in a checkout, npm run setup:tensorflow)',
    })
    record('tfjs', 'cpu')
    expect(refused('cuda')).toEqual({ name, reason: 'TensorFlow is set up for the CPU', remedy: 'run niceflow setup gpu' })
    expect(refused('cpu')).toMatchObject({ LD_LIBRARY_PATH: cache })
  })
})
