import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answer, niceflowHere, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const threads = ['--threads', '1']
const to = (target: string, source: string, out: string, ...more: string[]): string[] => [
  'export',
  path(source),
  '--target',
  target,
  '--out',
  path(out),
  ...threads,
  ...more,
]

beforeAll(async () => {
  await answer(['train', ...tinyModel, '--out', path('digits')], niceflowHere)
  await answer(['export', path('digits'), '--out', path('bundle'), '--name', 'digits', '--dtype', 'q8,fp32', ...threads], niceflowHere)
})

test('a run and its bundle give the same repository, verified in the place of the graphs that it holds', async () => {
  const exported = await answer<{ files: Record<string, number> }>(to('triton', 'digits', 'of-run', '--dtype', 'q8'), niceflowHere)
  expect(exported).toMatchObject({
    out: path('of-run'),
    target: 'triton',
    name: 'digits',
    dtype: 'q8',
    device: 'cpu',
    verification: { dtype: 'q8', examples: 32, on: 'validation examples of mnist', roundTrip: { tolerance: 1e-4 } },
  })
  const { stdout } = await niceflowHere(to('triton', 'bundle', 'of-bundle'))
  for (const file of Object.keys(exported.files)) {
    expect(readFileSync(path('of-bundle', file))).toEqual(readFileSync(path('of-run', file)))
    expect(stdout).toContain(`  ${file}  `)
  }
  expect(stdout).toMatch(/^ {2}q8 +max \|decode\(encode\(x\)\) - x\| /m)
  expect(stdout).toContain(`\nnext: tritonserver --model-repository=${path('of-bundle')}\n`)
  expect(await niceflowHere(to('triton', 'bundle', 'of-bundle', '--overwrite'))).toMatchObject({ code: 0 })
})

test.each<[string, string[], string]>([
  ['an engine that there is not', to('beam', 'bundle', 'a'), 'Choices: "triton", "kserve", "ray"'],
  ['two storage types', to('ray', 'bundle', 'a', '--dtype', 'q8,fp32'), '--dtype of an export to ray: expected one, got q8,fp32'],
  ['another name for a bundle', to('ray', 'bundle', 'a', '--name', 'b'), '--name: expected a run to name'],
  ['a single file as well', to('ray', 'bundle', 'a', '--single-file', 'encoder'), 'target and single-file are mutually exclusive'],
])('%s is a usage error', async (_, words, message) => {
  const { code, stderr } = await niceflowHere(words)
  expect({ code, lines: stderr.trim().split('\n') }).toEqual({
    code: 2,
    lines: [expect.stringContaining(message), expect.stringContaining('niceflow export --help')],
  })
  expect(existsSync(path('a'))).toBe(false)
})

test('a bundle that is damaged gives no folder', async () => {
  cpSync(path('bundle'), path('damaged'), { recursive: true })
  const bytes = readFileSync(path('damaged', 'weights.bin'))
  bytes[0]! ^= 1
  writeFileSync(path('damaged', 'weights.bin'), bytes)
  const { code, stderr } = await niceflowHere(to('kserve', 'damaged', 'never'))
  expect(code).toBe(1)
  expect(stderr).toContain('its content has changed: expected SHA-256')
  expect(readdirSync(path()).filter((name) => name.startsWith('never'))).toEqual([])
})
