import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type InstallRecord, nativePackage, recordPath } from '@niceflow/runtime-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asksForTf32 } from './main.ts'
import { niceflow, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)
const env = { NICEFLOW_CACHE: path('cache') }

/** Records as `niceflow setup` leaves them, of libraries that only their names make ones. */
beforeAll(() => {
  for (const [engine, library] of [
    ['onnxruntime', 'libcudart.so.13'],
    ['tfjs', 'libcudart.so.12'],
  ] as const) {
    mkdirSync(path(engine))
    writeFileSync(path(engine, library), '')
    const found = nativePackage(engine)!
    const record: InstallRecord = {
      ...{ format: 1, engine, package: found, source: 'pypi', build: 'cuda' },
      ...{ files: ['package.json'], libraries: [path(engine)], versions: {} },
    }
    const file = recordPath(engine, found.folder, env)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify(record))
  }
})

describe.runIf(process.platform === 'linux')('where CUDA was set up', () => {
  test('a command runs with its libraries, and doctor tells those of each engine', async () => {
    const { code, stdout } = await niceflow(['doctor', '--json'], { env })
    expect(code).toBe(0)
    const { libraries } = JSON.parse(stdout) as { libraries: { engine: string; name: string; path?: string }[] }
    expect(libraries.filter(({ name }) => name === 'libcudart.so').map(({ engine, path }) => [engine, path])).toEqual([
      ['onnxruntime', path('onnxruntime', 'libcudart.so.13')],
      ['tfjs', path('tfjs', 'libcudart.so.12')],
    ])
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

test.each([
  ['train --out run --tf32', true],
  ['train --tf32=true --out run', true],
  ['train --tf32 true --out run', true],
  ['train --no-tf32 --tf32', true],
  ['train --out run', false],
  ['train --tf32=false', false],
  ['train --tf32 --no-tf32', false],
  ['score bundle -- --tf32', false],
])('niceflow %s: TF32 is %s', (line, expected) => {
  expect(asksForTf32(line.split(' '))).toBe(expected)
})
