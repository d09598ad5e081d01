import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answer, niceflowHere, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const threads = ['--threads', '1']
const lone = (source: string, out: string, ...more: string[]): string[] => [
  'export',
  path(source),
  '--single-file',
  'decoder',
  '--out',
  path(out),
  ...threads,
  ...more,
]

beforeAll(async () => {
  await answer(['train', ...tinyModel, '--out', path('digits')], niceflowHere)
  await answer(['export', path('digits'), '--out', path('bundle'), '--name', 'digits', '--dtype', 'q8,fp32', ...threads], niceflowHere)
})

test('a run and its bundle give the same file, verified in the place of the graph that it is', async () => {
  const exported = await answer(lone('digits', 'of-run.onnx', '--dtype', 'q8'), niceflowHere)
  const bytes = readFileSync(path('of-run.onnx'))
  expect(exported).toMatchObject({
    out: path('of-run.onnx'),
    graph: 'decoder',
    name: 'digits',
    dtype: 'q8',
    bytes: bytes.length,
    device: 'cpu',
    verification: { dtype: 'q8', examples: 32, on: 'validation examples of mnist', roundTrip: { tolerance: 1e-4 } },
  })
  await answer(lone('bundle', 'of-bundle.onnx'), niceflowHere)
  expect(readFileSync(path('of-bundle.onnx'))).toEqual(bytes)
  const { stdout } = await niceflowHere(lone('bundle', 'exact.onnx', '--dtype', 'fp32'))
  expect(stdout).toMatch(/^ {2}fp32 +max \|decode\(encode\(x\)\) - x\| /m)
  expect(stdout).toContain(`decoder, fp32, 0.2 MB: ${path('exact.onnx')}`)
  expect(readdirSync(path()).filter((name) => name.includes('tmp'))).toEqual([])
})

test.each<[string, string[], string, string]>([
  ['a name that is no ONNX file', lone('bundle', 'decoder.bin'), 'expected a file ending in .onnx', 'niceflow export --help'],
  ['two storage types', lone('bundle', 'a.onnx', '--dtype', 'q8,fp32'), '--dtype of a single file: expected one', 'niceflow export --help'],
  ['another name for a bundle', lone('bundle', 'a.onnx', '--name', 'b'), '--name: expected a run to name', 'niceflow export --help'],
  [
    'a graph that there is not',
    lone('bundle', 'a.onnx', '--single-file', 'flow'),
    'Choices: "encoder", "decoder"',
    'niceflow export --help',
  ],
])('%s is a usage error', async (_, words, message, remedy) => {
  const { code, stderr } = await niceflowHere(words)
  expect({ code, lines: stderr.trim().split('\n') }).toEqual({
    code: 2,
    lines: [expect.stringContaining(message), expect.stringContaining(remedy)],
  })
})

test('a file that must stay is named before the source is read', async () => {
  writeFileSync(path('taken.onnx'), '')
  const { code, stderr } = await niceflowHere(lone('nowhere', 'taken.onnx'))
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: `niceflow: ${path('taken.onnx')}: is there already\n  give another --out, or --overwrite it\n`,
  })
})

test('a bundle that is damaged gives no file', async () => {
  cpSync(path('bundle'), path('damaged'), { recursive: true })
  const bytes = readFileSync(path('damaged', 'weights.bin'))
  bytes[0]! ^= 1
  writeFileSync(path('damaged', 'weights.bin'), bytes)
  const { code, stderr } = await niceflowHere(lone('damaged', 'never.onnx'))
  expect(code).toBe(1)
  expect(stderr).toContain('its content has changed: expected SHA-256')
  expect(readdirSync(path())).not.toContain('never.onnx')
})
