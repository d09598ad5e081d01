import type { Tensor } from '@niceflow/core'
import type { TrainingData } from '@niceflow/engine'
import { encodeModel, type Graph } from '@niceflow/graph'
import type { Device, Session } from '@niceflow/runtime'
import { openSession } from '@niceflow/runtime-node'
import { type Latency, measureSampling, measureScoring, type SamplingFigure, type ScoringFigure } from './benchmark-inference.ts'
import { type InpaintingFigure, measureInpainting } from './benchmark-inpainting.ts'
import { measureTraining, type TrainingFigure, type TrainingMeasurement, type TrainingMemory, trainingRows } from './benchmark-training.ts'
import { markovImages, measureWhiteningTime, type WhiteningFigure } from './benchmark-whitening.ts'
import { type EngineOptions, engineOptions } from './engine-calls.ts'

export { withUntrainedBundle } from './benchmark-inference.ts'
export { mostInHalves } from './benchmark-training.ts'

/** A figure beside the peak measured in turns with it. `ofPeak` counts matrix products only as work. */
export type Figure = { readonly batch: number; readonly imagesPerSecond: number; readonly ofPeak: number; readonly peakGflops: number }

export const benchmarkParts = ['training', 'scoring', 'sampling', 'inpainting', 'whitening'] as const
export type BenchmarkPart = (typeof benchmarkParts)[number]

/** What training measures besides its steps. */
export type TrainingBenchmark = {
  readonly training: readonly TrainingFigure[]
  /** Making batches and their noise, as a share of a training step of the same size. */
  readonly batches: { readonly batch: number; readonly msPerStep: number; readonly ofStep: number }
  /** Whether memory grows while a model is trained. */
  readonly memory: readonly TrainingMemory[]
  /** The most memory resident while training at the first batch size, MiB, everything in the process included. */
  readonly peakMemoryMiB: number
}

/** The parts that were asked for; those that were not are absent. */
export type Benchmark = {
  readonly device: Device
  readonly threads: number | null
  /** The fastest MatMul of any row, GFLOP/s. */
  readonly peakGflops: number
} & Partial<TrainingBenchmark> & {
    readonly scoring?: readonly ScoringFigure[]
    readonly latency?: Latency
    /** A step of the inpainter beside the passes that it is made of. */
    readonly inpainting?: InpaintingFigure
    /** Colour images of a known process, and the digits. */
    readonly whitening?: readonly WhiteningFigure[]
  } & Partial<SamplingFigure>

export type BenchmarkOptions = EngineOptions & {
  readonly data: TrainingData
  /** @default all */
  readonly parts?: readonly BenchmarkPart[]
  /** Counted repeats of each figure, after one that is not. @default 5 */
  readonly repeats?: number
  /** Colour images that are whitened. @default 50_000 */
  readonly images?: number
  readonly onProgress?: (what: string) => void
}

/** Speed against what this machine reaches on plain products of the same batch, measured in turns; medians. */
export async function benchmark({
  data,
  parts = benchmarkParts,
  repeats = 5,
  images = 50_000,
  onProgress,
  ...computing
}: BenchmarkOptions): Promise<Benchmark> {
  const options = engineOptions(computing)
  let device: Device = 'cpu'
  const open = async (graph: Graph): Promise<Session> => {
    const session = await openSession(encodeModel({ graph, metadata: {} }), options)
    device = session.device
    return session
  }
  const measuring = { repeats, open, onProgress }
  const training = parts.includes('training') ? await measureAllTraining({ data, options, ...measuring }) : undefined
  const scoring = parts.includes('scoring') ? await measureScoring(measuring) : undefined
  const sampling = parts.includes('sampling') ? await measureSampling(measuring, options) : undefined
  const inpainting = parts.includes('inpainting') ? await measureInpainting(measuring) : undefined
  const whitening = parts.includes('whitening') ? await measureWhitenings(data, images, options, onProgress) : undefined
  const figures: readonly Figure[] = [...(training?.training ?? []), ...(scoring?.scoring ?? []), ...Object.values(sampling ?? {})]
  const peakGflops = Math.max(0, ...figures.map((figure) => figure.peakGflops))
  return {
    device,
    threads: options.threads ?? null,
    peakGflops,
    ...training,
    ...scoring,
    ...sampling,
    ...(inpainting && { inpainting }),
    ...(whitening && { whitening }),
  }
}

/** Digits have pixels that are always black, which exact whitening refuses. */
async function measureWhitenings(
  { name, examples }: TrainingData,
  images: number,
  options: EngineOptions,
  onProgress?: (what: string) => void,
): Promise<readonly WhiteningFigure[]> {
  const digits = { name, examples: examples as Tensor<'uint8'>, epsilon: 1e-3 }
  const colours = { name: 'colour images of a Markov process', examples: markovImages(images), epsilon: 0 }
  return [await measureWhiteningTime(colours, options, onProgress), await measureWhiteningTime(digits, options, onProgress)]
}

async function measureAllTraining(measuring: Parameters<typeof measureTraining>[1]): Promise<TrainingBenchmark> {
  const measured: TrainingMeasurement[] = []
  for (const row of trainingRows) measured.push(await measureTraining(row, measuring))
  const [{ peakMemoryMiB, figures }] = measured as [TrainingMeasurement]
  const { batch, msPerBatch, msPerStep } = figures[0]!
  return {
    training: measured.flatMap((one) => one.figures),
    batches: { batch, msPerStep: msPerBatch, ofStep: msPerBatch / msPerStep },
    memory: measured.map(({ memory }) => memory),
    peakMemoryMiB,
  }
}
