/**
 * `npm run bench:server`: how many images a second the server scores, as a share of what the bare session does in the same run; how long single ones
 * take at half of that; what it does at more than it can bear; and whether any answer is lost or another's among faults.
 * Flags: --seconds of each measurement, --rounds, --requests with faults, --connections.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { rows, type Tensor, tensor } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'
import { Flow } from '@niceflow/runtime'
import { loadParts } from '@niceflow/runtime-node'
import { withFaults } from './faults.ts'
import { cannon, type Loaded, loader, saturate } from './load.ts'
import { binaryRequest, dim, jsonRequest, type ScoreRequest } from './requests.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    requests: { type: 'string', default: '100000' },
    connections: { type: 'string', default: '256' },
  },
})
const [seconds, rounds, requests, connections] = [values.seconds, values.rounds, values.requests, values.connections].map(Number) as [
  number,
  number,
  number,
  number,
]

const batches = [64, 128, 256, 512, 1024]
/** More than the queue holds: so many images at once, over so many connections. */
const overload = { images: 32, connections: 400 }

const root = join(import.meta.dirname, '..', '..')
const models = mkdtempSync(join(tmpdir(), 'niceflow-'))
cpSync(join(root, 'models', 'mnist-nice'), join(models, 'mnist'), { recursive: true })
const parts = await loadParts(join(models, 'mnist'), { device: 'cpu' })
const { test: digits } = await loadDataset('mnist')
const images = { ...digits, dims: [digits.dims[0]!, dim] } as Tensor<'uint8'>
const some = (count: number): Uint8Array => rows(images, 0, count).data as Uint8Array

const { child, address } = await start()
const url = `${address}/v2/models/mnist_encoder/infer`
try {
  await measure()
} finally {
  child.kill('SIGTERM')
  await once(child, 'exit')
  rmSync(models, { recursive: true })
}

async function measure(): Promise<void> {
  const loads: readonly { readonly name: string; readonly images: number; readonly request: ScoreRequest; readonly connections: number }[] =
    [
      { name: 'binary, 1 image', images: 1, request: binaryRequest(some(1)), connections },
      { name: 'binary, 32 images', images: 32, request: binaryRequest(some(32)), connections: connections / 8 },
      { name: 'JSON, 1 image', images: 1, request: jsonRequest(some(1)), connections },
      { name: 'JSON, 32 images', images: 32, request: jsonRequest(some(32)), connections: connections / 8 },
    ]
  const found = loads.map(() => [] as { readonly loaded: Loaded; readonly share: number }[])
  // Code that has just been loaded is slow.
  for (const { request } of loads) await saturate({ url, seconds: 2, connections: 32, ...request })
  let best = { perSecond: 0, ms: 0, batch: 0 }
  for (let round = 0; round < rounds; round++) {
    const bare = await bareSession()
    if (bare.perSecond > best.perSecond) best = bare
    for (const [i, { images: each, request, connections: over }] of loads.entries()) {
      const loaded = await saturate({ url, seconds, connections: over, ...request })
      found[i]!.push({ loaded, share: (loaded.perSecond * each) / bare.perSecond })
    }
  }
  print(
    `load by ${await loader()}; ${rounds} rounds of ${seconds} s; bare session at its best: ${best.perSecond.toFixed(0)} images/s, ${best.batch} at once in ${best.ms.toFixed(1)} ms`,
  )
  for (const [i, { name, images: each, connections: over }] of loads.entries()) {
    const all = found[i]!.toSorted((a, b) => a.share - b.share)
    const { loaded, share } = all[Math.floor(all.length / 2)]!
    print(
      `${name}, ${over} connections: ${(loaded.perSecond * each).toFixed(0)} images/s, ${(100 * share).toFixed(0)} % of bare, ${loaded.failed} failed`,
    )
  }
  const half = Math.floor(Math.max(...found[0]!.map(({ loaded }) => loaded.perSecond)) / 2)
  const { p99Ms } = await cannon({ url, seconds, connections: 32, rate: half, ...binaryRequest(some(1)) })
  print(
    `at half of saturation, ${half} requests/s by autocannon: p99 ${p99Ms} ms, ${(p99Ms / best.ms).toFixed(2)} of the best batch's time`,
  )
  await measureOverload()
  await measureFaults()
}

/** Scoring floats, which are already there, as fast as may be. */
async function bareSession(): Promise<{ readonly perSecond: number; readonly ms: number; readonly batch: number }> {
  const figures = []
  for (const batch of batches) {
    const x = tensor(
      'float32',
      [batch, dim],
      Float32Array.from(some(batch), (pixel) => (pixel + 0.5) / 256),
    )
    await parts.encoder.run({ x }, ['log_likelihood'])
    const began = performance.now()
    let runs = 0
    while (performance.now() - began < (1000 * seconds) / batches.length || runs < 3) {
      await parts.encoder.run({ x }, ['log_likelihood'])
      runs++
    }
    const ms = (performance.now() - began) / runs
    figures.push({ perSecond: (1000 * batch) / ms, ms, batch })
  }
  return figures.reduce((a, b) => (b.perSecond > a.perSecond ? b : a))
}

async function measureOverload(): Promise<void> {
  const before = memory()
  const { perSecond, failed } = await saturate({
    url,
    seconds: 2 * seconds,
    connections: overload.connections,
    ...binaryRequest(some(overload.images)),
  })
  const after = memory()
  const began = performance.now()
  const { status } = await fetch(url, { method: 'POST', ...fetched(binaryRequest(some(1))) })
  const total = perSecond * 2 * seconds
  print(
    `${overload.connections} clients of ${overload.images} images: ${total.toFixed(0)} answers, ${failed} of them 429 or 503; memory ${before} -> ${after} MiB; ` +
      `then one image: ${status} after ${(performance.now() - began).toFixed(0)} ms`,
  )
}

async function measureFaults(): Promise<void> {
  const bare = new Flow(parts)
  const harms = [
    () => killWorker(),
    () => killWorker(),
    // A manifest with another blank in it is another bundle.
    () => appendFileSync(join(models, 'mnist', 'flow.json'), '\n'),
  ]
  const before = memory()
  const { scored, refused, dropped, malformed, worst } = await withFaults({ url, images, bare, requests, harms })
  print(
    `${requests} requests with faults: ${scored} scored, at most ${worst.toExponential(1)} nats from the bare model; refused ${JSON.stringify(refused)}; ` +
      `${malformed} malformed, ${dropped} dropped by their clients; memory ${before} -> ${memory()} MiB`,
  )
}

function killWorker(): void {
  const [worker] = execFileSync('ps', ['-o', 'pid=', '--ppid', String(child.pid)], { encoding: 'utf8' })
    .trim()
    .split(/\s+/)
  if (worker) process.kill(Number(worker), 'SIGKILL')
}

/** Of the server's own process, MiB. */
function memory(): number {
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))!
  return Math.round(Number(kib) / 1024)
}

function fetched({ body, headers }: ScoreRequest): { readonly body: Uint8Array<ArrayBuffer>; readonly headers: Record<string, string> } {
  return { body: new Uint8Array(body), headers: { ...headers } }
}

async function start(): Promise<{ readonly child: ChildProcess; readonly address: string }> {
  const bin = join(root, 'packages', 'cli', 'bin', 'niceflow.mjs')
  const words = ['serve', models, '--port', '0', '--device', 'cpu', '--json', '--log-level', 'error', '--poll', '1']
  const started = spawn(process.execPath, [bin, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(started.stdout.setEncoding('utf8'), 'data')) as [string]
  return { child: started, address: (JSON.parse(line) as { address: string }).address }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
