import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writePng } from '@niceflow/formats'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { niceflowHere, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
beforeAll(() => void vi.stubEnv('NICEFLOW_CACHE', path('cache')))
afterAll(() => {
  vi.unstubAllEnvs()
  remove()
})

const training = (out: string, ...more: string[]): string[] => [
  'train',
  ...tinyModel,
  '--max-iter',
  '1',
  '--sample-size',
  '0',
  '--out',
  path(out),
  ...more,
]

test('digits on [-1, 1] are whitened approximately, exported, drawn, filled and reported on as they are', async () => {
  const trained = await niceflowHere(
    training('run', '--data-range=-1,1', '--preprocessing', 'whiten:zca:1e-3', '--preset', 'paper', '--json'),
  )
  expect(trained.stderr).toMatch(
    /^whitened 784 dimensions by ZCA with epsilon 0\.001 in [\d.]+ s: ln\|det W\| [\d.]+ nats, max \|W C W' - I\| \d/,
  )
  expect(JSON.parse(trained.stdout)).toMatchObject({ range: [-1, 1] })
  expect((await niceflowHere(['export', path('run'), '--out', path('bundle'), '--dtype', 'q8'])).code).toBe(0)

  // A digit's pixels, read, are on the range that the model has: the darkest at -1, and never below.
  const digit = path('digit.png')
  const data = Uint8Array.from({ length: 784 }, (_, i) => (i % 28 > 12 && i % 28 < 16 ? 255 : 0))
  writeFileSync(digit, writePng({ width: 28, height: 28, channels: 1, data }))
  const scored = await niceflowHere(['score', path('bundle'), digit, '--json'])
  expect(scored.stdout).toContain('"range":[-1,1]')
  const filled = await niceflowHere([
    'inpaint',
    path('bundle'),
    '--input',
    digit,
    '--mask',
    'top',
    '--steps',
    '20',
    '--seed',
    '1',
    '--out',
    path('filled.npy'),
    '--json',
  ])
  expect(filled.code).toBe(0)

  const reported = await niceflowHere(['report', path('run'), path('bundle'), '--out', path('out')])
  expect(reported.code).toBe(0)
  const page = readFileSync(path('out/report.html'), 'utf8').replace(/<[^>]*>/g, ' ')
  expect(page).toContain('Beside published results')
  // 1980.50 on [0, 1] is 784 ln 2 less here.
  expect(page).toContain('1437.07')
  expect(page).toContain('1980.50 on [0, 1]')
  expect(page).toMatch(/This is not the paper&#39;s model: .*mid-dim 16 \(there 1000\)/)
  expect(page).toContain('It was fitted to 1,200 of 60,000 examples')
  expect(page).toMatch(/ln\|det\| of whiten\s+[\d.]+ nats/)
})

test.each([
  [
    ['--preprocessing', 'whiten'],
    /^niceflow: directions, of 784, .*: expected none for exact whitening \(epsilon 0\), got \d+\n {2}whiten approximately/m,
  ],
  [
    ['--mid-dim', '100000', '--hidden', '4'],
    /^niceflow: training [\d,]+ parameters: expected [\d.]+ GB of memory, this machine has [\d.]+ GB\n {2}fit a narrower/m,
  ],
])('%j is refused in one line with a way out, and leaves no run', async (flags, message) => {
  const { code, stderr } = await niceflowHere(training('refused', ...flags))
  expect(code).toBe(1)
  expect(stderr).toMatch(message)
})

test.each([
  ['tfd', 346_166_912, 'whiten', 2304],
  ['svhn', 72_617_216, 'whiten', 3072],
  ['cifar10', 72_617_216, 'whiten', 3072],
] as const)("the recipe's file of %s has the paper's model", async (dataset, parameters, step, dim) => {
  const file = join(import.meta.dirname, '../../../pipelines', dataset, 'paper.json')
  const { stdout } = await niceflowHere(['summary', file, '--json'])
  const { layers, ...summary } = JSON.parse(stdout)
  expect(summary).toMatchObject({ parameters })
  expect(layers[0]).toMatchObject({ name: `preprocessing_1 (${step})`, shape: ['batch', dim], parameters: 0 })
  expect(layers.slice(1).map(({ name }: { name: string }) => name)).toEqual([...[1, 2, 3, 4].map((i) => `coupling_${i}`), 'scaling'])
})

test("a recipe's file keeps its model where it is given other data", async () => {
  const file = join(import.meta.dirname, '../../../pipelines/tfd/quick.json')
  const flags = '--dataset mnist --limit 300 --validation 50 --mid-dim 8 --max-iter 1 --threads 1 --sample-size 0'.split(' ')
  const trained = await niceflowHere(['train', '--config', file, ...flags, '--out', path('other')])
  expect(trained.stderr).toContain('whitened 784 dimensions by ZCA with epsilon 0.001')
  const { layers } = JSON.parse((await niceflowHere(['summary', path('other'), '--json'])).stdout)
  expect(layers[1].layers).toHaveLength(5)
})
