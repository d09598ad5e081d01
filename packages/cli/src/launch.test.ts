import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type InstallRecord, nativePackage, recordPath } from '@niceflow/runtime-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { niceflow, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)
const env = { NICEFLOW_CACHE: path('cache') }

/** A record as `niceflow setup gpu` leaves it, of a library that only its name makes one. */
beforeAll(() => {
  mkdirSync(path('lib'))
  writeFileSync(path('lib', 'libcudart.so.13'), '')
  const found = nativePackage('onnxruntime')!
  const record: InstallRecord = {
    ...{ format: 1, engine: 'onnxruntime', package: found, source: 'pypi', build: 'cuda' },
    ...{ files: ['package.json'], libraries: [path('lib')], versions: {} },
  }
  const file = recordPath('onnxruntime', found.folder, env)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(record))
})

describe.runIf(process.platform === 'linux')('where CUDA was set up', () => {
  test('a command runs with its libraries', async () => {
    const { code, stdout } = await niceflow(['doctor', '--json'], { env })
    expect(code).toBe(0)
    const { libraries } = JSON.parse(stdout) as { libraries: { name: string; path?: string }[] }
    expect(libraries.find(({ name }) => name === 'libcudart.so')?.path).toBe(path('lib', 'libcudart.so.13'))
  })

  test("its exit code is the command's", async () => {
    const { code, stderr } = await niceflow(['train', '--out', path('run'), '--device', 'tpu'], { env })
    expect(code).toBe(2)
    expect(stderr).toContain('tpu')
  })

  test('a signal to it stops the command as one to the command does', async () => {
    const { code, stderr } = await niceflow(['train', ...tinyModel, '--max-iter', '1000', '--device', 'cpu', '--out', path('stopped')], {
      env,
      onStderr: (soFar, child) => {
        if (soFar.includes('epoch 1/') && !child.killed) child.kill('SIGTERM')
      },
    })
    expect(stderr).toContain('training stopped in epoch')
    expect(code).toBe(143)
  })
})
