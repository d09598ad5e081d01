import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fillUniform, streamKey, type Tensor, tensor } from '@niceflow/core'
import { presets } from '@niceflow/engine'
import { decoderGraph, encoderGraph, ports } from '@niceflow/flow'
import { type Graph, matrixFlops } from '@niceflow/graph'
import type { Session } from '@niceflow/runtime'
import { loadFlow } from '@niceflow/runtime-node'
import type { Figure } from './benchmark.ts'
import { inTurns, openPeak, openReading, rates } from './benchmark-peak.ts'
import { untrained } from './benchmark-training.ts'
import { writeBundle } from './bundle.ts'
import type { EngineOptions } from './engine-calls.ts'
import { remove } from './files.ts'

export type ScoringFigure = Figure & { readonly msPerBatch: number }

/** One example scored, beside the time in which its weights are read once from memory: no engine that holds them there can be faster. */
export type Latency = {
  readonly msPerImage: number
  readonly weightBytes: number
  /** What a sum over an array of the weights' size reads, on as many threads. */
  readonly readGBPerSecond: number
  readonly msToRead: number
  readonly timesReading: number
}

/** Sampling with the drawing of latents, as `Flow.sample` does it, and the decoder alone. */
export type SamplingFigure = {
  readonly sampling: ScoringFigure
  readonly decoder: ScoringFigure
}

export type Measuring = {
  readonly repeats: number
  readonly open: (graph: Graph) => Promise<Session>
  readonly onProgress: ((what: string) => void) | undefined
}

const scoringBatches = [1, 64, 1024]
const samplingBatch = 1024
/** About as long as a figure's own run, and long enough for a clock. */
const flopsPerRun = 40e9
/** Single examples are small products, at far less than the peak. */
const latencyRuns = 40

const recipe = presets.paper

/** Scoring floats at some batch sizes, each in turns with the peak; and at batch 1 in turns with reading the weights. */
export async function measureScoring({
  repeats,
  open,
  onProgress,
}: Measuring): Promise<{ readonly scoring: readonly ScoringFigure[]; readonly latency: Latency }> {
  const { flow, parameters } = await untrained(recipe)
  const encoder = encoderGraph(flow, parameters)
  const session = await open(encoder)
  const scoring: ScoringFigure[] = []
  const runOf = (batch: number): (() => Promise<unknown>) => {
    const feeds = { [ports.data]: uniformRows(batch, flow.config.dim) }
    return () => session.run(feeds, [ports.logLikelihood])
  }
  for (const batch of scoringBatches) {
    onProgress?.(`scoring at batch ${batch}`)
    const flopsPerBatch = matrixFlops(encoder, { batch })
    const runs = batch === 1 ? latencyRuns : Math.max(1, Math.round(flopsPerRun / flopsPerBatch))
    const figure = await inTurns(await openPeak(batch, flopsPerRun, open), repeats, times(runs, runOf(batch)))
    const msPerBatch = (figure.seconds * 1000) / runs
    scoring.push({ msPerBatch, ...rates(batch, flopsPerBatch, msPerBatch, figure.billions) })
  }
  onProgress?.('reading the weights')
  const weightBytes = Object.values(parameters).reduce((sum, { data }) => sum + data.byteLength, 0)
  const reading = await openReading(weightBytes, open)
  const many = { ...reading, run: times(latencyRuns, reading.run), work: latencyRuns * reading.work }
  const figure = await inTurns(many, repeats, times(latencyRuns, runOf(1)))
  await session.dispose()
  const [msPerImage, msToRead] = [(figure.seconds * 1000) / latencyRuns, weightBytes / figure.billions / 1e6]
  return { scoring, latency: { msPerImage, weightBytes, readGBPerSecond: figure.billions, msToRead, timesReading: msPerImage / msToRead } }
}

/** Sampling in turns with the peak: the decoder alone, then all of it. */
export async function measureSampling({ repeats, open, onProgress }: Measuring, options: EngineOptions): Promise<SamplingFigure> {
  const batch = samplingBatch
  onProgress?.(`sampling at batch ${batch}`)
  const { flow: model, parameters } = await untrained(recipe)
  const graph = decoderGraph(model, parameters)
  const flops = matrixFlops(graph, { batch })
  const measure = async (run: () => Promise<unknown>): Promise<ScoringFigure> => {
    const figure = await inTurns(await openPeak(batch, flopsPerRun, open), repeats, times(1, run))
    const msPerBatch = figure.seconds * 1000
    return { msPerBatch, ...rates(batch, flops, msPerBatch, figure.billions) }
  }
  const session = await open(graph)
  const feeds = { [ports.latent]: uniformRows(batch, model.config.dim) }
  const decoder = await measure(() => session.run(feeds))
  await session.dispose()
  const sampling = await withUntrainedBundle(async (folder) => {
    const flow = await loadFlow(folder, options)
    const figure = await measure(() => flow.sample(batch))
    await flow.dispose()
    return figure
  })
  return { sampling, decoder }
}

/** A bundle of the paper's model before training, in a temporary folder for as long as `use` takes: speed does not depend on its weights. */
export async function withUntrainedBundle<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const { flow, parameters } = await untrained(recipe)
  const folder = await mkdtemp(join(tmpdir(), 'niceflow-bench-'))
  const data = { name: 'none', sha256: '0'.repeat(64), count: recipe.training.validation + 1, pixels: true, imageShape: [28, 28] as const }
  const state = {
    formatVersion: 1,
    recipe: { ...recipe, flow: flow.config },
    data,
    engine: 'none',
    epoch: 1,
    step: 1,
    history: [],
    best: { epoch: 1, validation: null },
  } as const
  try {
    await writeBundle({ state, parameters }, folder)
    return await use(folder)
  } finally {
    await remove(folder)
  }
}

function uniformRows(batch: number, dim: number): Tensor<'float32'> {
  const rows = tensor('float32', [batch, dim])
  fillUniform(streamKey(0, 'probe', batch), rows.data)
  return rows
}

function times(runs: number, run: () => Promise<unknown>): () => Promise<void> {
  return async () => {
    for (let i = 0; i < runs; i++) await run()
  }
}
