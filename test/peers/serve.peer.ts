import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { rows } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'
import { readPng, writeNpy, writePng } from '@niceflow/formats'
import { loadFlow } from '@niceflow/runtime-node'
import { createServer } from '@niceflow/server'
import { afterAll, expect, test } from 'vitest'
import { pythonWith } from './python.ts'

const models = join(import.meta.dirname, '..', '..', 'models')
const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
const app = await createServer({ models, device: 'cpu', workers: 1 })
const address = await app.listen({ port: 0, host: '127.0.0.1' })
const bare = await loadFlow(join(models, 'mnist-nice'), { device: 'cpu' })
afterAll(async () => {
  await app.close()
  await bare.dispose()
  rmSync(folder, { recursive: true })
})

/** Nats: float32 sums of 784 terms in another order, batch by batch. */
const tolerance = 0.01
/** Latents there and back through exp(s) of some hundreds, in float32. */
const latentTolerance = 0.05

test("Triton's stock client works unchanged, and reads the scores of the bare model", async () => {
  const { test: digits } = await loadDataset('mnist')
  const pixels = rows(digits, 0, 9)
  const flat = { ...pixels, dims: [9, 784] } as typeof pixels
  const file = join(folder, 'pixels.npy')
  writeFileSync(file, writeNpy(flat))
  const python = await pythonWith('tritonclient', (what) => process.stderr.write(`${what}\n`))
  const script = join(import.meta.dirname, 'tritonclient_stock.py')
  const { stdout } = await promisify(execFile)(python, [script, new URL(address).host, 'mnist-nice', file])
  const found = JSON.parse(stdout) as Record<string, unknown>
  expect(found).toMatchObject({
    live: true,
    ready: true,
    model_ready: true,
    server: 'niceflow',
    config: true,
    id: 'stock-1',
    metadata: { name: 'mnist-nice_encoder', inputs: [{ name: 'x', shape: [-1, 784] }] },
    index: ['mnist-histogram_decoder', 'mnist-histogram_encoder', 'mnist-nice_decoder', 'mnist-nice_encoder'],
    async: Array.from({ length: 9 }, () => [1]),
    error: 'shape of input x: expected [n, 784], got [9, 3]',
    unloaded: false,
    loaded: true,
    statistics: 'mnist-nice_decoder',
  })
  const { logLikelihood } = await bare.score(flat, { seed: 5, firstIndex: 2 })
  for (const name of ['log_likelihood', 'json', 'zipped']) {
    const scores = found[name] as number[]
    expect(scores, name).toHaveLength(9)
    expect(Math.max(...scores.map((nats, i) => Math.abs(nats - logLikelihood[i]!))), name).toBeLessThan(tolerance)
  }
  expect(found.round_trip).toBeLessThan(latentTolerance)
})

test('curl does what the lines of the page say', async () => {
  const { test: digits } = await loadDataset('mnist')
  const digit = (i: number): Uint8Array => rows(digits, i, i + 1).data as Uint8Array
  const path = (name: string): string => join(folder, name)
  for (const [i, name] of ['digit', 'a', 'b'].entries()) {
    writeFileSync(path(`${name}.png`), writePng({ width: 28, height: 28, channels: 1, data: digit(i) }))
  }
  const lines = Array.from({ length: 100 }, (_, i) => `${JSON.stringify({ pixels: Array.from(digit(i)) })}\n`)
  writeFileSync(path('million.ndjson'), lines.join(''))
  const page = readFileSync(join(models, '..', 'packages', 'cli', 'docs', 'serving.md'), 'utf8')
  const commands = [...page.matchAll(/^curl (.+)$/gm)].map(([, words]) => words!.replaceAll('http://127.0.0.1:8080', address))
  expect(commands).toHaveLength(5)
  const said: string[] = []
  for (const words of commands) {
    const { stdout } = await promisify(execFile)('bash', ['-c', `curl --fail --silent --show-error ${words}`], { cwd: folder })
    said.push(stdout)
  }
  const scored = said.filter((text) => text !== '').map((text) => (JSON.parse(text) as { examples: { logLikelihood: number }[] }).examples)
  expect(scored.map(({ length }) => length)).toEqual([1, 2])
  const { logLikelihood } = await bare.score(rows(digits, 0, 100).data as Uint8Array)
  expect(Math.abs(scored[0]![0]!.logLikelihood - logLikelihood[0]!)).toBeLessThan(tolerance)
  const streamed = readFileSync(path('scores.ndjson'), 'utf8').trim().split('\n')
  for (const [i, line] of streamed.entries()) {
    expect(Math.abs((JSON.parse(line) as { logLikelihood: number }).logLikelihood - logLikelihood[i]!), line).toBeLessThan(tolerance)
  }
  expect(streamed).toHaveLength(100)
  for (const [name, width] of [
    ['samples.png', 8 * 28],
    ['filled.png', 28],
  ] as const) {
    expect(readPng(readFileSync(path(name)), name)).toMatchObject({ width, height: width })
  }
})
