import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fillUniform, streamKey } from '@niceflow/core'
import { readPng } from '@niceflow/formats'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { answer, niceflowHere, workspace } from './niceflow.fixture.ts'

// A cut-down copy of CIFAR-10, of the form of the original: batches of 60 records, smooth images in colour.

const { path, remove } = workspace()
afterAll(remove)

const [records, side] = [60, 32]
const folder = path('data')
const data = ['--dataset', 'cifar10', '--data-dir', folder]
const threads = ['--threads', '1']
const picture = (file: string) => readPng(readFileSync(path(file)), file)

function batch(which: number): Uint8Array {
  const draws = new Float32Array(6)
  const bytes = new Uint8Array(records * 3073)
  for (let i = 0; i < records; i++) {
    fillUniform(streamKey(7, 'probe', which * records + i), draws)
    bytes[i * 3073] = i % 10
    for (let at = 0; at < 3072; at++) {
      const [channel, y, x] = [at >> 10, (at >> 5) & 31, at & 31]
      bytes[i * 3073 + 1 + at] = 60 + 100 * draws[channel]! + x * 2 * draws[3]! + y * draws[4]! + ((x * y * 7) % 5)
    }
  }
  return bytes
}

beforeAll(async () => {
  mkdirSync(path('data', 'cifar-10-batches-bin'), { recursive: true })
  const names = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`)
  ;[...names, 'test_batch.bin'].forEach((name, i) => {
    writeFileSync(path('data', 'cifar-10-batches-bin', name), batch(i))
  })
})

test('a copy that is not the one known is refused, unless whoever runs it says otherwise', async () => {
  const { code, stderr } = await niceflowHere(['train', ...data, '--out', path('never')])
  expect(code).toBe(1)
  expect(stderr).toMatch(/data_batch_1\.bin: SHA-256: expected cee91656.*, got .*\n {2}niceflow data fetch cifar10, or name/)
})

describe('taken as it is', () => {
  beforeAll(() => {
    vi.stubEnv('NICEFLOW_UNCHECKED_DATA', '1')
  })
  afterAll(() => {
    vi.unstubAllEnvs()
  })
  const run = async <T>(...words: string[]): Promise<T> => answer<T>([...words, ...threads], niceflowHere)

  test('it becomes a model, with figures, outliers and pictures in colour', async () => {
    const model = '--validation 60 --batch-size 40 --mid-dim 8 --hidden 1 --lr 3e-3 --max-iter 2 --sample-size 0'.split(' ')
    expect(await run('train', ...data, ...model, '--out', path('run'))).toMatchObject({ epochs: 2, steps: 12 })
    await run('export', path('run'), '--data-dir', folder, '--out', path('bundle'))
    const words = ['eval', path('bundle'), ...data, '--split', 'test', '--ood', 'all', '--images', path('sets.png'), '--record']
    const { logLikelihood, ood } = await run<{ logLikelihood: { mean: number }; ood: { sets: { name: string }[] } }>(...words)
    // The most that a density on [0, 1]^3072 can have of whole pixels.
    expect(Math.abs(logLikelihood.mean)).toBeLessThan(3072 * Math.log(256))
    expect(ood.sets.map(({ name }) => name)).toEqual(['rotated', 'inverted', 'patches', 'faint', 'letters', 'flat', 'textured'])
    expect(picture('sets.png').channels).toBe(3)
    expect(readFileSync(path('bundle', 'README.md'), 'utf8')).toContain('Licence of the data: none stated; the authors ask to be cited.')
    await run('report', path('run'), path('bundle'), '--out', path('report'))
    expect(picture('report/samples.png')).toMatchObject({ width: 8 * (2 * side + 2) + 2, channels: 3 })
  })

  test('one of its images is named as ever', async () => {
    const ends = ['--from', 'cifar10:test:0', '--to', 'cifar10:test:1', '--data-dir', folder]
    await run('interpolate', path('bundle'), ...ends, '--steps', '3', '--out', path('path.png'))
    expect(picture('path.png').channels).toBe(3)
  })
})
