import { fillUniform, streamKey, tensor } from '@niceflow/core'
import { encoderGraph, ports } from '@niceflow/flow'
import { encodeModel, type Graph, matrixFlops } from '@niceflow/graph'
import type { Device, Session } from '@niceflow/runtime'
import { openSession } from '@niceflow/runtime-node'
import { type InpaintingFigure, measureInpainting } from './benchmark-inpainting.ts'
import { inTurns, openPeak, rates } from './benchmark-peak.ts'
import {
  measureTraining,
  type TrainingFigure,
  type TrainingMeasurement,
  type TrainingMemory,
  trainingRows,
  untrained,
} from './benchmark-training.ts'
import { type EngineOptions, engineOptions } from './engine-calls.ts'
import { presets } from './presets.ts'
import type { TrainingData } from './training-data.ts'

/** A figure beside the peak measured in turns with it. `ofPeak` counts matrix products only as work. */
export type Figure = { readonly batch: number; readonly imagesPerSecond: number; readonly ofPeak: number; readonly peakGflops: number }

export type Benchmark = {
  readonly device: Device
  readonly threads: number | null
  /** The fastest MatMul of any row, GFLOP/s. */
  readonly peakGflops: number
  readonly training: readonly TrainingFigure[]
  readonly scoring: readonly (Figure & { readonly msPerBatch: number })[]
  /** A step of the inpainter beside the passes that it is made of. */
  readonly inpainting: InpaintingFigure
  /** Making batches and their noise, as a share of a training step of the same size. */
  readonly batches: { readonly batch: number; readonly msPerStep: number; readonly ofStep: number }
  /** Whether memory grows while a model is trained. */
  readonly memory: readonly TrainingMemory[]
  /** The most memory resident while training at the first batch size, MiB, everything in the process included. */
  readonly peakMemoryMiB: number
}

export type BenchmarkOptions = EngineOptions & {
  readonly data: TrainingData
  /** Counted repeats of each figure, after one that is not. @default 7 */
  readonly repeats?: number
  readonly onProgress?: (what: string) => void
}

const scoringBatches = [1, 64, 1024]
/** About as long as a figure's own run, and long enough for a clock. */
const scoringFlopsPerRun = 40e9

/** Speed against what this machine reaches on plain products of the same batch, measured in turns; medians. */
export async function benchmark({ data, repeats = 7, onProgress, ...computing }: BenchmarkOptions): Promise<Benchmark> {
  const options = engineOptions(computing)
  const open = (graph: Graph): Promise<Session> => openSession(encodeModel({ graph, metadata: {} }), options)

  const measured: TrainingMeasurement[] = []
  for (const row of trainingRows) measured.push(await measureTraining(row, { data, repeats, options, open, onProgress }))
  const training = measured.flatMap(({ figures }) => figures)

  const scoring: Benchmark['scoring'][number][] = []
  const { flow, parameters } = await untrained(presets.paper)
  const encoder = encoderGraph(flow, parameters)
  const session = await open(encoder)
  for (const batch of scoringBatches) {
    onProgress?.(`scoring at batch ${batch}`)
    const flopsPerBatch = matrixFlops(encoder, { batch })
    const runs = Math.max(1, Math.round(scoringFlopsPerRun / flopsPerBatch / (batch === 1 ? 20 : 1)))
    const feeds = { [ports.data]: tensor('float32', [batch, flow.config.dim]) }
    fillUniform(streamKey(0, 'probe', batch), feeds[ports.data]!.data)
    const figure = await inTurns(await openPeak(batch, scoringFlopsPerRun, open), repeats, async () => {
      for (let i = 0; i < runs; i++) await session.run(feeds, [ports.logLikelihood])
    })
    const msPerBatch = (figure.seconds * 1000) / runs
    scoring.push({ msPerBatch, ...rates(batch, flopsPerBatch, msPerBatch, figure.peakGflops) })
  }
  await session.dispose()

  onProgress?.('inpainting')
  const inpainting = await measureInpainting(open, repeats)

  const [{ device: used, peakMemoryMiB, figures }] = measured as [TrainingMeasurement]
  const { batch, msPerBatch, msPerStep } = figures[0]!
  return {
    device: used,
    threads: options.threads ?? null,
    peakGflops: Math.max(...[...training, ...scoring].map((row) => row.peakGflops)),
    training,
    scoring,
    inpainting,
    batches: { batch, msPerStep: msPerBatch, ofStep: msPerBatch / msPerStep },
    memory: measured.map(({ memory }) => memory),
    peakMemoryMiB,
  }
}
