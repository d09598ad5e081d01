/**
 * `npm run bench:server`: how many images a second the server scores beside a real Triton and the bare session; how long single ones take at half of
 * that; what it does at three times as many as it can bear; whether any answer is lost or another's among faults; and what comes of malformed requests.
 * Exits with 1 where an answer is wrong, lost or a failure of the server's own.
 * Flags: --only some of the parts, --seconds of each measurement, --rounds, --connections, --requests with faults, --malformed requests, --no-triton, --json.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { rows, type Tensor } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'
import { Flow } from '@niceflow/runtime'
import { loadParts } from '@niceflow/runtime-node'
import { withFaults } from './faults.ts'
import { cannon, loader } from './load.ts'
import { sendMalformed } from './malformed.ts'
import { measureOverload } from './overload.ts'
import { binaryRequest, dim } from './requests.ts'
import { memoryMib, type Server, startNiceflow, startTritonOn } from './servers.ts'
import { measureThroughput, type Throughput } from './throughput.ts'

const { values: flags } = parseArgs({
  allowNegative: true,
  options: {
    only: { type: 'string', default: 'throughput,latency,overload,faults,malformed' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '256' },
    requests: { type: 'string', default: '100000' },
    malformed: { type: 'string', default: '10000' },
    triton: { type: 'boolean', default: true },
    json: { type: 'boolean', default: false },
  },
})
const [seconds, rounds, connections] = [Number(flags.seconds), Number(flags.rounds), Number(flags.connections)]

const bundle = join(import.meta.dirname, '..', '..', 'models', 'mnist-nice')
const models = mkdtempSync(join(tmpdir(), 'niceflow-'))
cpSync(bundle, join(models, 'mnist'), { recursive: true })
const parts = await loadParts(bundle, { device: 'cpu' })
const { test: digits } = await loadDataset('mnist')
const images = { ...digits, dims: [digits.dims[0]!, dim] } as Tensor<'uint8'>
const server = await startNiceflow(models)
let throughput: Throughput | undefined

/** The parts, in their order; each tells what it found, and as lines. */
const measures: Readonly<Record<string, () => Promise<{ readonly found: object; readonly lines: readonly string[] }>>> = {
  async throughput() {
    const { triton, absent } = await tritonOrReason()
    try {
      const servers = [server, ...(triton ? [triton] : [])]
      throughput = await measureThroughput({ session: parts.encoder, images, servers, seconds, rounds, connections, onProgress: note })
    } finally {
      await triton?.close()
    }
    const found = { loader: await loader(), seconds, rounds, absent, ...throughput }
    return { found, lines: [...tableOf(throughput, found.loader), ...(absent ? [`Triton does not take part: ${absent}`] : [])] }
  },

  async latency() {
    const { bare, rows: table } = throughput ?? (await measureThroughput({ ...own(), seconds, rounds: 1, connections, onProgress: note }))
    const rate = Math.floor(table[0]!.imagesPerSecond / 2)
    const { p99Ms, failed } = await cannon({ url: server.url, seconds: 2 * seconds, connections: 64, rate, ...binaryRequest(some(1)) })
    const times = p99Ms / bare.ms
    const line = `at half of saturation, ${rate} images/s one by one (autocannon): p99 ${p99Ms} ms, ${times.toFixed(2)} of the ${bare.ms.toFixed(0)} ms of the best batch, of ${bare.batch}; ${failed} failed`
    return { found: { rate, p99Ms, ofBestBatch: times, failed }, lines: [line] }
  },

  async overload() {
    const found = await measureOverload(server, images, seconds)
    const [before, most, after] = found.memoryMib
    const line = `three times what it can bear, ${found.offeredPerSecond} requests/s of 32 images: ${found.requests} requests, answers by status ${JSON.stringify(found.statuses)}, ${found.lost} lost; memory ${before}, at most ${most}, then ${after} MiB; an image is scored ${found.recoveredMs.toFixed(0)} ms after such clients have gone`
    return { found, lines: [line] }
  },

  async faults() {
    const before = memoryMib(server.pid)
    // A manifest with another blank in it is another bundle.
    const reload = (): void => appendFileSync(join(models, 'mnist', 'flow.json'), '\n')
    const requests = Number(flags.requests)
    const ended = await withFaults({ server, images, bare: new Flow(parts), requests, harms: [killWorker, killWorker, reload] })
    const { scored, refused, dropped, malformed, stalled, worst } = ended
    const memory = [before, memoryMib(server.pid)]
    const line = `${requests} requests among faults: ${scored} scored, at most ${worst.toExponential(1)} nats from the bare model; refused ${JSON.stringify(refused)}; ${malformed} malformed, ${dropped} dropped by their clients, ${stalled} clients stalled; memory ${memory.join(' -> ')} MiB`
    return { found: { requests, ...ended, memoryMib: memory }, lines: [line] }
  },

  async malformed() {
    const found = await sendMalformed(server, Number(flags.malformed))
    const line = `${flags.malformed} malformed requests: answers by status ${JSON.stringify(found.statuses)}; ${found.deaths} workers died, ${found.waiting} rows left waiting, ${found.handles} more handles open; memory ${found.memoryMib.join(', ')} MiB after each quarter`
    return { found, lines: [line] }
  },
}

const wanted = flags.only.split(',')
const unknown = wanted.find((name) => !Object.hasOwn(measures, name))
const all: Record<string, object> = {}
try {
  if (unknown !== undefined) throw new Error(`--only: expected some of ${Object.keys(measures).join(', ')}, got ${unknown}`)
  for (const [name, measure] of Object.entries(measures)) {
    if (!wanted.includes(name)) continue
    note(name)
    const { found, lines } = await measure()
    all[name] = found
    if (!flags.json) process.stdout.write(lines.map((line) => `${line}\n`).join(''))
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(all)}\n`)
} finally {
  await server.close()
  rmSync(models, { recursive: true })
}

function own() {
  return { session: parts.encoder, images, servers: [server] }
}

function some(count: number): Uint8Array {
  return rows(images, 0, count).data as Uint8Array
}

async function tritonOrReason(): Promise<{ readonly triton?: Server; readonly absent?: string }> {
  if (!flags.triton) return { absent: 'it was left out' }
  try {
    return { triton: await startTritonOn(bundle, parts.manifest) }
  } catch (error) {
    const { message } = error as Error
    note(message)
    return { absent: message.split(':').slice(0, 2).join(':') }
  }
}

function tableOf({ bare, rows: table }: Throughput, by: string): string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`
  const lines = [
    ['server', 'request', 'connections', 'images/s', 'of bare (least to most)', 'of niceflow', 'CPU µs/image', 'failed'],
    [
      'bare session',
      `batch ${bare.batch}, ${bare.ms.toFixed(0)} ms`,
      '',
      bare.perSecond.toFixed(0),
      '100 %',
      '',
      bare.cpuUs.toFixed(0),
      '',
    ],
    ...table.map(({ server: name, load, connections: over, imagesPerSecond, ofBare, ofFirst, cpuUs, failed }) => [
      name,
      load,
      String(over),
      imagesPerSecond.toFixed(0),
      `${percent(ofBare.median)} (${percent(ofBare.least)} to ${percent(ofBare.most)})`,
      ofFirst.toFixed(2),
      cpuUs.toFixed(0),
      String(failed),
    ]),
  ]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const text = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
  return [`load by ${by}; medians of ${rounds} rounds in turns, ${seconds} s each`, ...text]
}

function killWorker(): void {
  const [worker] = execFileSync('ps', ['-o', 'pid=', '--ppid', String(server.pid)], { encoding: 'utf8' })
    .trim()
    .split(/\s+/)
  if (worker) process.kill(Number(worker), 'SIGKILL')
}

function note(what: string): void {
  process.stderr.write(`${what}\n`)
}
