import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { answer, niceflowHere, workspace } from '../niceflow.fixture.ts'
import { bytesOf } from './install.ts'
import { onnxruntimeCuda, tensorflowCuda } from './wheels.ts'

const { path, remove } = workspace()
beforeAll(() => void vi.stubEnv('NICEFLOW_CACHE', path('cache')))
afterAll(() => {
  vi.unstubAllEnvs()
  remove()
})

type Plan = {
  readonly engines: readonly { engine: string; source: string; why: string; files: { file: string; bytes: number; cached: boolean }[] }[]
}

test('a dry run lists what would be fetched, with sizes, and fetches nothing', async () => {
  const { engines } = await answer<Plan>(['setup', 'gpu', '--source', 'pypi', '--dry-run'], niceflowHere)
  expect(engines.map(({ engine, source, why }) => [engine, source, why])).toEqual([
    ['tfjs', 'pypi', 'asked for'],
    ['onnxruntime', 'pypi', 'asked for'],
  ])
  const files = engines.flatMap((one) => one.files)
  expect(files.every(({ cached }) => !cached)).toBe(true)
  const total = bytesOf([...tensorflowCuda, ...onnxruntimeCuda['1.30.0']!])
  expect(files.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(total)
  const { stdout } = await niceflowHere(['setup', 'tensorflow', '--source', 'pypi', '--dry-run'])
  expect(stdout).toBe(
    'tfjs: from PyPI (asked for), 230.2 MB in 1 of 1 wheels\n' +
      '  tensorflow_cpu-2.18.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl  230.2 MB\n',
  )
  expect(existsSync(path('cache'))).toBe(false)
})

test("a dry run of the vendor's names a file that its script fetches", async () => {
  const { stdout } = await niceflowHere(['setup', 'tensorflow', '--source', 'vendor', '--dry-run'])
  expect(stdout).toMatch(/^tfjs: its own install script \(asked for\) would fetch what it needs, with https:\S+4\.22\.0\S+\n$/)
})

test('what cannot be set up is a usage error', async () => {
  const { code, stderr } = await niceflowHere(['setup', 'tpu'])
  expect(code).toBe(2)
  expect(stderr).toContain('Invalid values: Argument: what, Given: "tpu", Choices: "tensorflow", "gpu"')
})
