import { fillUniform, streamKey, tensor } from '@niceflow/core'
import { batches } from '@niceflow/data'
import { onnxRuntimeEngine, type TrainingState } from '@niceflow/engine'
import { encoderGraph, initialize, nice, type ParameterValues, ports, stateArrays, trainingGraph } from '@niceflow/flow'
import { buildGraph, encodeModel, type Graph, matrixFlops } from '@niceflow/graph'
import type { Device, Session } from '@niceflow/runtime'
import { type NodeDevice, openSession } from '@niceflow/runtime-node'
import { optimizerOf, presets, type Recipe } from './config.ts'
import { trainingSession } from './train.ts'
import type { TrainingData } from './training-data.ts'

/** A figure beside the peak measured in turns with it. `ofPeak` counts matrix products only as work. */
export type Figure = { readonly batch: number; readonly imagesPerSecond: number; readonly ofPeak: number; readonly peakGflops: number }

export type Benchmark = {
  readonly device: Device
  readonly threads: number | null
  /** The fastest MatMul of any row, GFLOP/s. */
  readonly peakGflops: number
  readonly training: readonly (Figure & { readonly msPerStep: number })[]
  readonly scoring: readonly (Figure & { readonly msPerBatch: number })[]
  /** Making batches and their noise, as a share of a training step of the same size. */
  readonly batches: { readonly batch: number; readonly msPerStep: number; readonly ofStep: number }
  /** The most memory resident while training at the first batch size, MiB, everything in the process included. */
  readonly peakMemoryMiB: number
}

export type BenchmarkOptions = {
  readonly data: TrainingData
  readonly recipe?: Recipe
  readonly device?: NodeDevice | 'auto'
  readonly threads?: number
  /** Counted repeats of each figure, after one that is not. @default 7 */
  readonly repeats?: number
  readonly onProgress?: (what: string) => void
}

const trainingBatches = [200, 1000]
const scoringBatches = [1, 64, 1024]
/** Rows and columns of the peak's square matrix: the paper's hidden layers. */
const width = 1000
/** About as long as a figure's own run, and long enough for a clock. */
const [trainingFlopsPerRun, scoringFlopsPerRun] = [400e9, 40e9]

/** Speed against what this machine reaches on plain products of the same batch, measured in turns; medians. */
export async function benchmark({
  data,
  recipe = presets.paper,
  device = 'auto',
  threads,
  repeats = 7,
  onProgress,
}: BenchmarkOptions): Promise<Benchmark> {
  const options = { device, ...(threads === undefined ? {} : { threads }) }
  const open = (graph: Graph, extra = {}): Promise<Session> => openSession(encodeModel({ graph, metadata: {} }), { ...options, ...extra })
  const flow = nice(recipe.flow)
  const optimizer = optimizerOf(recipe.training)
  const plain = { mean: new Float64Array(recipe.flow.dim), deviation: new Float64Array(recipe.flow.dim).fill(1) }
  const parameters = await initialize(flow.parameters, 0, async () => plain)
  const dim = recipe.flow.dim

  const training: Benchmark['training'][number][] = []
  let batching: Benchmark['batches'] | undefined
  let peakMemoryMiB = 0
  const engine = await onnxRuntimeEngine(flow, optimizer, constantsOf(parameters, flow), (model, use) =>
    openSession(model, { ...options, ...trainingSession[use] }),
  )
  let state: TrainingState = {
    step: 0,
    arrays: Object.fromEntries(stateArrays(flow, optimizer).map(({ name, dims }) => [name, parameters[name] ?? tensor('float32', dims)])),
  }
  for (const batch of trainingBatches) {
    onProgress?.(`training at batch ${batch}`)
    const graph = trainingGraph(flow, optimizer)
    const flopsPerStep = matrixFlops(graph, { batch, steps: 1 })
    const steps = Math.max(1, Math.round(trainingFlopsPerRun / flopsPerStep))
    const runs = wholeRuns(data, batch, steps, recipe)
    const making: number[] = []
    let x = tensor('float32', [0, batch, dim])
    const learningRates = new Float64Array(steps).fill(recipe.training.learningRate)
    const prepare = async (): Promise<void> => {
      const { result, seconds } = await timed(async () => runs.next().value!)
      making.push((seconds * 1000) / steps)
      x = tensor('float32', [steps, batch, dim], result)
    }
    const train = async (): Promise<void> => {
      state = (await engine.train(state, { x, learningRates })).state
    }
    const figure = await inTurns(await openPeak(batch, trainingFlopsPerRun, open), repeats, train, prepare)
    const msPerStep = (figure.seconds * 1000) / steps
    training.push({ msPerStep, ...rates(batch, flopsPerStep, msPerStep, figure.peakGflops) })
    batching ??= { batch, msPerStep: median(making), ofStep: median(making) / msPerStep }
    peakMemoryMiB ||= process.resourceUsage().maxRSS / 1024
  }
  await engine.dispose()

  const scoring: Benchmark['scoring'][number][] = []
  const encoder = encoderGraph(flow, parameters)
  const session = await open(encoder)
  for (const batch of scoringBatches) {
    onProgress?.(`scoring at batch ${batch}`)
    const flopsPerBatch = matrixFlops(encoder, { batch })
    const runs = Math.max(1, Math.round(scoringFlopsPerRun / flopsPerBatch / (batch === 1 ? 20 : 1)))
    const feeds = { [ports.data]: tensor('float32', [batch, dim]) }
    fillUniform(streamKey(0, 'probe', batch), feeds[ports.data]!.data)
    const figure = await inTurns(await openPeak(batch, scoringFlopsPerRun, open), repeats, async () => {
      for (let i = 0; i < runs; i++) await session.run(feeds, [ports.logLikelihood])
    })
    const msPerBatch = (figure.seconds * 1000) / runs
    scoring.push({ msPerBatch, ...rates(batch, flopsPerBatch, msPerBatch, figure.peakGflops) })
  }
  await session.dispose()
  const peakGflops = Math.max(...[...training, ...scoring].map((row) => row.peakGflops))
  return { device: engine.device, threads: threads ?? null, peakGflops, training, scoring, batches: batching!, peakMemoryMiB }
}

/** Batches of as many whole steps as a run takes, epoch after epoch: [steps, batch, dim]. */
function* wholeRuns({ examples }: TrainingData, batchSize: number, steps: number, { flow }: Recipe): Generator<Float32Array> {
  const indices = Uint32Array.from({ length: examples.dims[0]! }, (_, i) => i)
  for (let epoch = 0; ; epoch++) {
    for (const run of batches({ examples, indices, batchSize, seed: 0, epoch, stepsPerRun: steps, range: flow.dataRange })) {
      if (run.steps === steps) yield run.x
    }
  }
}

function rates(batch: number, flops: number, ms: number, peakGflops: number): Figure {
  return { batch, imagesPerSecond: (batch * 1000) / ms, ofPeak: flops / ms / 1e6 / peakGflops, peakGflops }
}

function constantsOf(parameters: ParameterValues, flow: ReturnType<typeof nice>): ParameterValues {
  return Object.fromEntries(flow.parameters.filter(({ trainable }) => !trainable).map(({ name }) => [name, parameters[name]!]))
}

/** A run of products [batch, 1000] x [1000, 1000], both operands inputs, one after the other in a Loop so that calls cost nothing. */
async function openPeak(
  batch: number,
  flops: number,
  open: (graph: Graph) => Promise<Session>,
): Promise<{ run: () => Promise<void>; flops: number; close: () => Promise<void> }> {
  const products = Math.max(1, Math.round(flops / 4 / (2 * batch * width * width)))
  const g = buildGraph('peak')
  const a = g.input('a', 'float32', [batch, width])
  const b = g.input('b', 'float32', [width, width])
  g.output('y', g.Loop({ steps: products, carried: [a], body: (body, _, [y]) => ({ carried: [body.MatMul(y!, b)] }) }).carried[0]!)
  const graph = g.build()
  const session = await open(graph)
  // Uniform on +-sqrt(3 / 1000): products keep their operand's size, however many follow one another.
  const feeds = { a: tensor('float32', [batch, width]), b: tensor('float32', [width, width]) }
  fillUniform(streamKey(0, 'probe', 0), feeds.a.data)
  fillUniform(streamKey(0, 'probe', 1), feeds.b.data)
  feeds.b.data.forEach((u, i) => {
    feeds.b.data[i] = (2 * u - 1) * Math.sqrt(3 / width)
  })
  const run = async (): Promise<void> => {
    await session.run(feeds)
  }
  return { run, flops: matrixFlops(graph, {}, products), close: () => session.dispose() }
}

/** Peak and figure in turns; the medians of both. */
async function inTurns(
  peak: Awaited<ReturnType<typeof openPeak>>,
  repeats: number,
  figure: () => Promise<void>,
  prepare?: () => Promise<void>,
): Promise<{ seconds: number; peakGflops: number }> {
  const peaks: number[] = []
  const figures: number[] = []
  for (let turn = 0; turn <= repeats; turn++) {
    await prepare?.()
    const reached = peak.flops / (await timed(peak.run)).seconds / 1e9
    const { seconds } = await timed(figure)
    if (turn === 0) continue
    peaks.push(reached)
    figures.push(seconds)
  }
  await peak.close()
  return { seconds: median(figures), peakGflops: median(peaks) }
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const start = performance.now()
  const result = await work()
  return { result, seconds: (performance.now() - start) / 1000 }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
