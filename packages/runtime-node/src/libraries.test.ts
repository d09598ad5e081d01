import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cacheFolder, engineEnvironment, environmentOf, type InstallRecord, nativePackage, readRecord, recordPath } from './libraries.ts'
import { temporaryFolder } from './tiny.fixture.ts'

test('the cache is where the user says, else where caches are', () => {
  expect(cacheFolder({ NICEFLOW_CACHE: '/big/disk', XDG_CACHE_HOME: '/caches' })).toBe('/big/disk')
  expect(cacheFolder({ XDG_CACHE_HOME: '/caches' })).toBe(join('/caches', 'niceflow'))
  expect(cacheFolder({ NICEFLOW_CACHE: '', XDG_CACHE_HOME: '' })).toMatch(/[/\\]\.cache[/\\]niceflow$/)
})

test('a package is found where this one would load it', () => {
  expect(nativePackage('onnxruntime')).toMatchObject({ version: '1.30.0' })
  expect(nativePackage('onnxruntime')?.folder).toMatch(/node_modules[/\\]onnxruntime-node$/)
})

/** A cache with the record of this checkout's onnxruntime-node, which its package.json stands for. */
function recorded(changes: Partial<InstallRecord> = {}): { env: Record<string, string>; record: InstallRecord } {
  const env = { NICEFLOW_CACHE: temporaryFolder() }
  const library = join(env.NICEFLOW_CACHE, 'lib')
  mkdirSync(library)
  const found = nativePackage('onnxruntime')!
  const record: InstallRecord = {
    ...{ format: 1, engine: 'onnxruntime', package: found, source: 'pypi', build: 'cuda' },
    ...{ files: ['package.json'], libraries: [library], versions: { 'nvidia-cublas': '13.1.0.3' } },
    ...changes,
  }
  const path = recordPath('onnxruntime', found.folder, env)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, JSON.stringify(record))
  return { env, record }
}

describe('the record of an install', () => {
  test('is read where it holds', () => {
    const { env, record } = recorded()
    expect(readRecord('onnxruntime', env)).toEqual(record)
    expect(readRecord('tfjs', env)).toBeUndefined()
  })

  test.each<[string, Partial<InstallRecord>]>([
    ['a file that a fresh install took away', { files: ['bin/none.so'] }],
    ['a folder of libraries that is gone', { libraries: ['/nowhere/lib'] }],
    ['another version of the package', { package: { ...nativePackage('onnxruntime')!, version: '1.29.0' } }],
    ['another format', { format: 2 as 1 }],
  ])('counts for nothing where it tells of %s', (_, changes) => {
    expect(readRecord('onnxruntime', recorded(changes).env)).toBeUndefined()
  })

  test('counts for nothing where it is no JSON, or not there', () => {
    const { env, record } = recorded()
    const path = recordPath('onnxruntime', record.package.folder, env)
    writeFileSync(path, '{')
    expect(engineEnvironment('onnxruntime', { env })).toBeUndefined()
    rmSync(path)
    expect(engineEnvironment('onnxruntime', { env })).toBeUndefined()
  })

  test('of two projects are two', () => {
    expect(recordPath('tfjs', '/a/node_modules/x')).not.toBe(recordPath('tfjs', '/b/node_modules/x'))
  })
})

describe('the environment of an engine', () => {
  const CUDA_DEVICE_ORDER = 'PCI_BUS_ID'

  test('puts its libraries before those that the user named, counts GPUs as nvidia-smi does, and turns TF32 off', () => {
    const { env, record } = recorded()
    const [library] = record.libraries
    expect(engineEnvironment('onnxruntime', { env })).toEqual({ LD_LIBRARY_PATH: library, CUDA_DEVICE_ORDER, NVIDIA_TF32_OVERRIDE: '0' })
    expect(engineEnvironment('onnxruntime', { env: { ...env, LD_LIBRARY_PATH: '/opt/lib' } })).toMatchObject({
      LD_LIBRARY_PATH: `${library}:/opt/lib`,
    })
  })

  test('is nothing more in a process that has it', () => {
    const { env } = recorded()
    expect(engineEnvironment('onnxruntime', { env: { ...env, ...engineEnvironment('onnxruntime', { env }) } })).toEqual({})
  })

  test('leaves TF32 on where that is asked for', () => {
    expect(engineEnvironment('onnxruntime', { env: recorded().env, tf32: true })).not.toHaveProperty('NVIDIA_TF32_OVERRIDE')
  })

  test('names no folder where the vendor’s own script knows them', () => {
    expect(environmentOf({ engine: 'onnxruntime', libraries: [] }, { env: { LD_LIBRARY_PATH: '/opt/lib' } })).toEqual({
      CUDA_DEVICE_ORDER,
      NVIDIA_TF32_OVERRIDE: '0',
    })
  })

  test('lets TensorFlow be quiet and share the GPU, unless the user says otherwise', () => {
    const engine = { engine: 'tfjs', libraries: ['/l'] } as const
    const quiet = { CUDA_DEVICE_ORDER, TF_CPP_MIN_LOG_LEVEL: '3', TF_FORCE_GPU_ALLOW_GROWTH: 'true', NVIDIA_TF32_OVERRIDE: '0' }
    expect(environmentOf(engine, { env: {} })).toEqual({ LD_LIBRARY_PATH: '/l', ...quiet })
    expect(environmentOf(engine, { env: { TF_CPP_MIN_LOG_LEVEL: '0', NVIDIA_TF32_OVERRIDE: '1' } })).toEqual({
      LD_LIBRARY_PATH: '/l',
      CUDA_DEVICE_ORDER,
      TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    })
  })
})
