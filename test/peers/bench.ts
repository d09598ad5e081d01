import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { NiceflowError } from '@niceflow/core'
import { barChart } from '@niceflow/report'
import { engineEnvironment, type NativeEngine } from '@niceflow/runtime-node'
import { presets } from '@niceflow/trainer'
import { gpus } from '../../packages/cli/src/machine/gpus.ts'
import { sizes, writeProblem } from './problem.ts'
import { type Peer, PeerError, startPeer } from './protocol.ts'
import { pythonWith } from './python.ts'
import { agreementTolerance, disagreement, goRound, type Row, type Summary } from './rounds.ts'

/**
 * `npm run bench:peers`: the paper's training step and scoring, here and elsewhere, on the CPU, in turns; with `--device cuda` on a GPU.
 * `--python PATH` is an interpreter that has jax and torch: the environments of the pinned lists are for the CPU.
 */

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(availableParallelism()) },
    device: { type: 'string', default: 'cpu' },
    python: { type: 'string' },
    out: { type: 'string', default: join(import.meta.dirname, 'out') },
    json: { type: 'boolean', default: false },
  },
})
const say = (line: string): void => void process.stderr.write(`${line}\n`)
/** Steps in a run are the trainer's: ONNX Runtime moves the state in and out once a run, and the others never do. */
const [steps, batches] = [presets.paper.training.stepsPerRun, 3]

const folder = mkdtempSync(join(tmpdir(), 'niceflow-peers-'))
const node = [process.execPath, '--conditions=@niceflow/source', '--import', import.meta.resolve('tsx')]
const here = (file: string): string => join(import.meta.dirname, file)
if (flags.device !== 'cpu' && flags.device !== 'cuda') {
  say(`--device: expected cpu or cuda, got ${flags.device}`)
  process.exit(2)
}
const { device } = flags
/** The same for all: threads (ONNX Runtime alone takes them as an option), and factors of float32. */
const even: Readonly<Record<string, string>> = {
  OMP_NUM_THREADS: flags.threads,
  TF_NUM_INTRAOP_THREADS: flags.threads,
  // XLA's own pool reads this one.
  NPROC: flags.threads,
  XLA_FLAGS: `--xla_cpu_multi_thread_eigen=${flags.threads !== '1'} intra_op_parallelism_threads=${flags.threads}`,
  JAX_PLATFORMS: device,
  // On GPUs JAX rounds factors to TF32 unless it is told otherwise.
  ...(device === 'cuda' ? { NVIDIA_TF32_OVERRIDE: '0', JAX_DEFAULT_MATMUL_PRECISION: 'highest' } : { CUDA_VISIBLE_DEVICES: '-1' }),
}

function libraries(engine: NativeEngine): Readonly<Record<string, string>> {
  const env = engineEnvironment(engine)
  if (!env && engine === 'tfjs')
    throw new PeerError('TensorFlow is not set up', { remedy: `npm run setup:${device === 'cuda' ? 'gpu' : 'tensorflow'}` })
  return env ?? {}
}

function ours(engine: NativeEngine): Peer {
  return startPeer(engine, {
    command: [...node, here('ours.ts'), engine, device, folder, flags.threads],
    env: { ...even, ...libraries(engine) },
  })
}

async function python(name: string, library: 'jax' | 'torch', ...words: readonly string[]): Promise<Peer> {
  const interpreter = flags.python ?? (await pythonWith(library, say))
  return startPeer(name, { command: [interpreter, here(`${library}_nice.py`), ...words], env: even })
}

/** Every competitor, and how its process is started. Others are measured against the first, the default engine. */
const competitors: Readonly<Record<string, () => Peer | Promise<Peer>>> = {
  onnxruntime: () => ours('onnxruntime'),
  jax: () => python('jax', 'jax', folder),
  tfjs: () => ours('tfjs'),
  'plain tfjs': () =>
    startPeer('plain tfjs', { command: [...node, here('plain-tfjs.ts'), device, folder], env: { ...even, ...libraries('tfjs') } }),
  'torch half width': () => python('torch half width', 'torch', 'half', device, folder),
  'torch masked': () => python('torch masked', 'torch', 'masked', device, folder),
}

const wanted = flags.only?.split(',') ?? Object.keys(competitors)
const unknown = wanted.find((name) => !(name in competitors))
if (unknown !== undefined) {
  say(`--only: expected some of ${Object.keys(competitors).join(', ')}, got ${unknown}`)
  process.exit(2)
}

await writeProblem(folder)
const running: Peer[] = []
const absent: { readonly name: string; readonly reason: string }[] = []
let reference: Awaited<ReturnType<typeof check>> | undefined
for (const name of wanted) {
  try {
    const peer = await competitors[name]!()
    running.push(peer)
    const got = await check(peer)
    reference ??= got
    const off = disagreement(got, reference)
    if (!(off <= agreementTolerance))
      throw new PeerError(`its log-likelihoods are off by ${off} of the largest, where ${agreementTolerance} is allowed`)
    say(`${name}: the same numbers within ${off.toExponential(1)}`)
  } catch (error) {
    if (!(NiceflowError.is(error) || error instanceof Error)) throw error
    running.find((peer) => peer.name === name)?.close()
    absent.push({ name, reason: error.message })
    say(`${name} does not take part: ${error.message}`)
  }
}
const taking = running.filter(({ name }) => !absent.some((other) => other.name === name))
const rows = await goRound(taking, { rounds: Number(flags.rounds), steps, batches, onProgress: say })
for (const peer of taking) peer.close()
rmSync(folder, { recursive: true })

mkdirSync(flags.out, { recursive: true })
const place = device === 'cpu' ? `${flags.threads} threads` : (await gpus()).map(({ model }) => model).join(', ')
const title = `NICE on MNIST, ${place}: milliseconds`
const groups = [
  { label: `a training step, batch ${sizes.batch}`, of: ({ training }: Row) => training },
  { label: `scoring a batch of ${sizes.scoring}, weights as users have them`, of: ({ scoring }: Row) => scoring },
]
const weights =
  "scoring: onnxruntime's weights are constants of the exported encoder, jax's are arguments of the compiled function, torch's and tfjs's are variables"
for (const [i, { label, of }] of groups.entries()) {
  const bars = rows.map((row) => ({ name: row.name, value: of(row).ms.median, low: of(row).ms.least, high: of(row).ms.most }))
  writeFileSync(join(flags.out, ['training.svg', 'scoring.svg'][i]!), barChart({ title: `${title} of ${label}`, bars }))
}
writeFileSync(
  join(flags.out, 'peers.json'),
  `${JSON.stringify({ device, place, threads: Number(flags.threads), sizes, rows, absent }, null, 2)}\n`,
)
process.stdout.write(flags.json ? `${JSON.stringify({ rows, absent })}\n` : table())

function check(peer: Peer) {
  return peer.call('check', {})
}

function table(): string {
  const shown = ({ median, least, most }: Summary, digits: number): string =>
    `${median.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`
  const lines = [
    ['', ...groups.flatMap(({ label }) => [`${label}, ms`, `times ${rows[0]?.name} in the same round`])],
    ...rows.map((row) => [row.name, ...groups.flatMap(({ of }) => [shown(of(row).ms, 1), shown(of(row).ofFirst, 2)])]),
  ]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const text = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
  return `${[...text, weights, ...absent.map(({ name, reason }) => `${name}: ${reason}`)].join('\n')}\n`
}
