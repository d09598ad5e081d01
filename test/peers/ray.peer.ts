import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { dequantize, rows, type Tensor, tensor } from '@niceflow/core'
import { loadImages } from '@niceflow/data'
import { writeNpy, writePng } from '@niceflow/formats'
import type { Flow } from '@niceflow/runtime'
import { loadFlow } from '@niceflow/runtime-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pythonWith } from './python.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
const path = (...parts: string[]): string => join(folder, ...parts)
const python = await pythonWith('ray', (what) => process.stderr.write(`${what}\n`))

/** Nats of some 2,000: batches of other sizes, and another build of ONNX Runtime, add 784 terms in another order. */
const scoreTolerance = 5e-3

const [count, dim] = [60, 784]
const model = join(root, 'models', 'mnist-nice')
let flow: Flow
let images: Tensor<'uint8'>

beforeAll(async () => {
  const bin = join(root, 'packages', 'cli', 'bin', 'niceflow.mjs')
  execFileSync(process.execPath, [bin, 'export', model, '--target', 'ray', '--out', path('job')], { stdio: ['ignore', 'ignore', 'pipe'] })
  flow = await loadFlow(model, { device: 'cpu' })
  images = rows((await loadImages('mnist')).test, 0, count)
})

afterAll(async () => {
  await flow.dispose()
  rmSync(folder, { recursive: true })
})

const env = { ...process.env, RAY_TMPDIR: path('ray'), RAY_USAGE_STATS_ENABLED: '0' }
const run = (...words: string[]): string => execFileSync(python, words, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })

/** What the job writes for an input: the rows of its Parquet files, in the order of their names. */
function scoresOf<Row extends object>(input: string, ...flags: string[]): (Row & { log_likelihood: number; bits_per_dim: number })[] {
  const output = path(`${basename(input)}-scores`)
  run(path('job', 'score.py'), input, output, ...flags)
  const code = 'import json, sys; from pyarrow.parquet import read_table; print(json.dumps(read_table(sys.argv[1]).to_pylist()))'
  return JSON.parse(run('-c', code, output)) as (Row & { log_likelihood: number; bits_per_dim: number })[]
}

/** A draw of the pixels' noise: x on [0, 1]. */
function spread(draw: number): Tensor<'float32'> {
  const indices = Uint32Array.from({ length: count }, (_, i) => i)
  return tensor('float32', [count, dim], dequantize(images, indices, { seed: 0, draw, range: [0, 1] }))
}

describe('a real Ray with the job as it was written', () => {
  test('gives the rows of NPY files the scores of the bare model, in their order', async () => {
    const x = spread(0)
    mkdirSync(path('rows'))
    writeFileSync(path('rows', '0.npy'), writeNpy(rows(x, 0, 25)))
    writeFileSync(path('rows', '1.npy'), writeNpy(rows(x, 25, count)))
    const scored = scoresOf<{ path: string }>(path('rows'), '--format', 'npy', '--batch-size', '7')
    const { logLikelihood, bitsPerDim } = await flow.score(x)
    expect(scored.map((row) => basename(row.path))).toEqual([...new Array(25).fill('0.npy'), ...new Array(count - 25).fill('1.npy')])
    for (const [i, row] of scored.entries()) {
      expect(Math.abs(row.log_likelihood - logLikelihood[i]!)).toBeLessThan(scoreTolerance)
      expect(row.bits_per_dim).toBeCloseTo(bitsPerDim![i]!, 4)
    }
  })

  test('spreads pixels over their cells, alike for image files and for columns of Parquet', async () => {
    /** Standard deviations of one draw of the noise, which are themselves measured with some. */
    const deviations = 8
    mkdirSync(path('images'))
    for (let i = 0; i < count; i++) {
      const data = images.data.slice(i * dim, (i + 1) * dim)
      writeFileSync(path('images', `${String(i).padStart(3, '0')}.png`), writePng({ width: 28, height: 28, channels: 1, data }))
    }
    writeFileSync(path('pixels.npy'), writeNpy(images))
    const code = `import numpy, pyarrow, sys, pyarrow.parquet
x = numpy.load(sys.argv[1])
pyarrow.parquet.write_table(pyarrow.table({"id": range(len(x)), "pixels": pyarrow.array(x.tolist(), pyarrow.list_(pyarrow.uint8()))}), sys.argv[2])`
    run('-c', code, path('pixels.npy'), path('pixels.parquet'))
    const ofImages = scoresOf<{ path: string }>(path('images'), '--format', 'images')
    // Many small batches to a file, which its writer must not mix.
    const ofColumn = scoresOf<{ id: number }>(path('pixels.parquet'), '--column', 'pixels', '--batch-size', '2')
    const inOrder = Array.from({ length: count }, (_, i) => i)
    expect(ofImages.map((row) => Number.parseInt(basename(row.path), 10))).toEqual(inOrder)
    expect(ofColumn.map(({ id }) => id)).toEqual(inOrder)
    expect(ofColumn.map(Object.keys)).toEqual(new Array(count).fill(['id', 'log_likelihood', 'bits_per_dim']))
    const draws: Float64Array[] = []
    for (let draw = 1; draw <= 16; draw++) draws.push((await flow.score(spread(draw))).logLikelihood)
    for (const [i, { log_likelihood: nats }] of ofColumn.entries()) {
      expect(Math.abs(nats - ofImages[i]!.log_likelihood)).toBeLessThan(scoreTolerance)
      const drawn = draws.map((scores) => scores[i]!)
      const mean = drawn.reduce((sum, value) => sum + value) / drawn.length
      const deviation = Math.sqrt(drawn.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (drawn.length - 1))
      expect(Math.abs(nats - mean)).toBeLessThan(deviations * deviation)
    }
  })

  test('spreads pixels by one draw for all where the model was trained on shared noise', () => {
    const code = `import json, numpy, sys
sys.path.insert(0, sys.argv[1])
from score import Scorer
scorer = Scorer.__new__(Scorer)
scorer.facts, scorer.of_pixels, scorer.dim, scorer.low, scorer.high, scorer.seed = {"niceflow.noise": "shared"}, True, 3, 0, 1, 5
pixels = numpy.array([[0, 0, 0], [0, 100, 255]], "uint8")
print(json.dumps([scorer.dequantize(rows).tolist() for rows in (pixels, pixels[1:])]))`
    type Printed = readonly [readonly [readonly [number, number, number], readonly number[]], readonly [readonly number[]]]
    const [[[a, b, c], both], [alone]] = JSON.parse(run('-c', code, path('job'))) as Printed
    for (const u of [a, b, c]) expect(u > 0 && u < 1 / 256).toBe(true)
    expect(new Set([a, b, c]).size).toBe(3)
    expect(both).toEqual([a, expect.closeTo(100 / 255 + b, 12), 1])
    expect(alone).toEqual(both)
  })

  test('an input of another shape ends it with what was expected', () => {
    writeFileSync(path('small.npy'), writeNpy(tensor('float32', [2, 5])))
    expect(() => run(path('job', 'score.py'), path('small.npy'), path('never'))).toThrow(
      'column data: expected examples of 784 values, got 5',
    )
    expect(() => run(path('job', 'score.py'), path('rows'), path('never'))).toThrow('--format: expected one of npy, parquet, images')
  })
})
