import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { nativePackage } from '@niceflow/runtime-node'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { workspace } from '../niceflow.fixture.ts'
import { addonFile, addonPlace, findCompiler } from './addon.ts'
import { idleReason, notFound, probe } from './check.ts'
import { link, placeTensorflow } from './place.ts'
import { complaint } from './process.ts'
import { refusal, vendorFile } from './vendor.ts'

const { path, remove } = workspace()
afterAll(remove)

const tfjs = nativePackage('tfjs')!
const onnxruntime = nativePackage('onnxruntime')!

describe('the addon', () => {
  test('is where the package looks for it: under the newest Node-API that both know', async () => {
    expect(await addonPlace(tfjs, 10)).toEqual({ napi: 8, file: join('lib', 'napi-v8', 'tfjs_binding.node') })
    expect(await addonPlace(tfjs, 5)).toEqual({ napi: 5, file: join('lib', 'napi-v5', 'tfjs_binding.node') })
  })

  test('is kept by what it is made of', async () => {
    const place = await addonPlace(tfjs, 9)
    expect(addonFile('/cache', tfjs, place, '/cache/wheels/tensorflow-2.18.1-abc')).toBe(
      '/cache/addons/tfjs-node-gpu-4.22.0-napi8-tensorflow-2.18.1-abc/tfjs_binding.node',
    )
  })

  test('needs a compiler', async () => {
    await expect(findCompiler({ PATH: path('nothing') })).rejects.toMatchObject({
      message: 'no C++ compiler runs (c++, g++, clang++): the binding of TensorFlow.js is built from its sources',
      remedy: expect.stringContaining('apt install g++'),
    })
    await expect(findCompiler({ CXX: '/none/c++' })).rejects.toThrow('no C++ compiler runs (/none/c++)')
  })
})

describe('placing', () => {
  test('a link takes the place of a link and of a file', async () => {
    mkdirSync(path('place'))
    const at = path('place', 'lib.so')
    writeFileSync(at, 'the vendor’s')
    for (const target of [path('one'), path('two')]) {
      await link(target, at)
      expect(readlinkSync(at)).toBe(target)
    }
    expect(readdirSync(path('place'))).toEqual(['lib.so'])
  })

  test("TensorFlow goes where the package's own script would have put its own", async () => {
    const folder = path('package')
    mkdirSync(join(folder, 'deps', 'lib'), { recursive: true })
    writeFileSync(join(folder, 'deps', 'lib', 'libtensorflow.so.2.9.1'), 'old')
    writeFileSync(path('addon.node'), 'addon')
    mkdirSync(path('wheel'))
    const files = await placeTensorflow(folder, { from: path('addon.node'), to: 'lib/napi-v8/a.node' }, path('wheel'))
    expect(readlinkSync(join(folder, 'deps', 'lib'))).toBe(path('wheel'))
    expect(readFileSync(join(folder, 'lib/napi-v8/a.node'), 'utf8')).toBe('addon')
    expect(files).toEqual(['lib/napi-v8/a.node', 'deps/lib/libtensorflow_cc.so.2', 'deps/lib/libtensorflow_framework.so.2'])
  })
})

describe('the vendors', () => {
  test('are named by their own packages', async () => {
    expect(await vendorFile('tfjs', tfjs)).toMatch(/^https:.*\/napi-v8\/4\.22\.0\/GPU-\w+-4\.22\.0\.(tar\.gz|zip)$/)
    expect(await vendorFile('onnxruntime', onnxruntime)).toMatch(/^https:.*index\.json$/)
  })

  test('are used where they give the file', async () => {
    const server = createServer(({ method, url }, response) => {
      response.writeHead(method === 'HEAD' && url === '/there' ? 200 : 404).end()
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await refusal(`http://${host}/there`)).toBeUndefined()
    expect(await refusal(`http://${host}/elsewhere`)).toBe(`${host} answers 404`)
    await new Promise((resolve) => server.close(resolve))
    expect(await refusal(`http://${host}/there`)).toBe(`${host} does not answer (ECONNREFUSED)`)
  })
})

describe('checking', () => {
  test('ldd tells which libraries are missing', () => {
    const report = '\tlibcublas.so.13 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n\tlibcuda.so.1 => not found\n'
    expect(notFound(report)).toEqual(['libcublas.so.13', 'libcuda.so.1'])
  })

  test('an engine answers from a process of its own', async () => {
    const record = { format: 1, engine: 'onnxruntime', package: onnxruntime, source: 'pypi', build: 'cuda', files: [] } as const
    const health = await probe({ ...record, libraries: [], versions: {} })
    expect(health.fault).toBeUndefined()
    expect(health.device === 'cuda' ? health.idle : typeof health.idle).toBe(health.device === 'cuda' ? undefined : 'string')
  })

  test('what ends without an answer is a fault', async () => {
    const record = { format: 1, engine: 'none' as 'tfjs', package: tfjs, source: 'pypi', build: 'cpu', files: [] } as const
    expect((await probe({ ...record, libraries: [], versions: {} })).fault).toMatch(/^its process ended by exit code 1: /)
  })

  /** What libtensorflow 2.18.1 and 2.9.1 write. */
  test.each([
    [
      '2026-11-24 06:40:16.889645: E external/local_xla/xla/stream_executor/cuda/cuda_driver.cc:152] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)',
      'failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)',
    ],
    [
      "2022-05-01 10:00:00.000000: W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open shared object file",
      "Could not load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open shared object file",
    ],
    ['2026-11-24 06:40:16.836007: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.', undefined],
  ])('TensorFlow’s log says why it leaves GPUs alone: %s', (line, reason) => {
    expect(idleReason(`first line\n${line}\nlast line`)).toBe(reason)
  })

  test.each([
    ['', 'a.cc:1:10: fatal error: c_api.h: No such file\ncompilation terminated.', 'a.cc:1:10: fatal error: c_api.h: No such file'],
    ['Error: getaddrinfo ENOTFOUND host', 'npm error code 1', 'Error: getaddrinfo ENOTFOUND host'],
    ['', 'killed\n', 'killed'],
    ['', '', 'it says nothing'],
  ])('a program that failed is heard: %s %s', (stdout, stderr, said) => {
    expect(complaint({ code: 1, stdout, stderr })).toBe(said)
  })
})
