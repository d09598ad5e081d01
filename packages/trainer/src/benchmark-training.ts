import { pixelLevels, tensor } from '@niceflow/core'
import { batches } from '@niceflow/data'
import { onnxRuntimeEngine, type TrainingState } from '@niceflow/engine'
import { type Flow, initialize, nice, type ParameterValues, stateArrays, trainingGraph } from '@niceflow/flow'
import { type Graph, matrixFlops } from '@niceflow/graph'
import type { Device, Session } from '@niceflow/runtime'
import { openSession } from '@niceflow/runtime-node'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { inTurns, median, openPeak, rates, timed } from './benchmark-peak.ts'
import { optimizerOf, type PresetName, presets, type Recipe } from './config.ts'
import { trainingSession } from './train.ts'
import type { TrainingData } from './training-data.ts'

/** A training step of a preset's model and recipe. */
export type TrainingFigure = Figure & {
  readonly model: PresetName
  readonly msPerStep: number
  /** Making a batch and its noise, milliseconds a step. */
  readonly msPerBatch: number
  /** Memory resident after the first and the last counted repeat, MiB, everything in the process included: training should need no more with time. */
  readonly residentMiB: readonly [first: number, last: number]
}

/** What is measured, in this order; the first row's peak memory is the benchmark's. */
export const trainingRows: readonly { readonly model: PresetName; readonly batches: readonly number[] }[] = [
  { model: 'paper', batches: [200, 1000] },
  { model: 'affine', batches: [200] },
]

/** About as long as a peak's run, and long enough for a clock. */
const flopsPerRun = 400e9

export type TrainingMeasurement = {
  readonly device: Device
  readonly figures: readonly TrainingFigure[]
  /** The most memory that was ever resident in this process when the first batch size was done, MiB. */
  readonly peakMemoryMiB: number
}

type Measuring = Required<Pick<BenchmarkOptions, 'data' | 'repeats'>> & {
  readonly options: Pick<BenchmarkOptions, 'device' | 'threads'>
  readonly open: (graph: Graph) => Promise<Session>
  readonly onProgress: BenchmarkOptions['onProgress']
}

/** Training steps of one model at some batch sizes, each in turns with the peak. */
export async function measureTraining(
  { model, batches }: (typeof trainingRows)[number],
  { data, repeats, options, open, onProgress }: Measuring,
): Promise<TrainingMeasurement> {
  const recipe = presets[model]
  const { flow, parameters } = await untrained(recipe)
  const optimizer = optimizerOf(recipe.training)
  const arrays = stateArrays(flow, optimizer).map(({ name, dims }) => [name, parameters[name] ?? tensor('float32', dims)] as const)
  const engine = await onnxRuntimeEngine(flow, optimizer, constantsOf(flow, parameters), (bytes, use) =>
    openSession(bytes, { ...options, ...trainingSession[use] }),
  )
  let state: TrainingState = { step: 0, arrays: Object.fromEntries(arrays) }
  const figures: TrainingFigure[] = []
  let peakMemoryMiB = 0
  try {
    for (const batch of batches) {
      onProgress?.(`training the ${model} model at batch ${batch}`)
      const flopsPerStep = matrixFlops(trainingGraph(flow, optimizer), { batch, steps: 1 })
      const steps = Math.max(1, Math.round(flopsPerRun / flopsPerStep))
      const runs = wholeRuns(data, batch, steps, recipe)
      const making: number[] = []
      const resident: number[] = []
      let x = tensor('float32', [0, batch, flow.config.dim])
      const prepare = async (): Promise<void> => {
        const { result, seconds } = await timed(async () => runs.next().value!)
        making.push((seconds * 1000) / steps)
        resident.push(process.memoryUsage.rss() / 2 ** 20)
        x = tensor('float32', [steps, batch, flow.config.dim], result)
      }
      const train = async (): Promise<void> => {
        state = (await engine.train(state, { x, learningRates: new Float64Array(steps).fill(recipe.training.learningRate) })).state
      }
      const figure = await inTurns(await openPeak(batch, flopsPerRun, open), repeats, train, prepare)
      const msPerStep = (figure.seconds * 1000) / steps
      const residentMiB = [resident[1]!, resident.at(-1)!] as const
      figures.push({
        model,
        msPerStep,
        msPerBatch: median(making),
        ...rates(batch, flopsPerStep, msPerStep, figure.peakGflops),
        residentMiB,
      })
      peakMemoryMiB ||= process.resourceUsage().maxRSS / 1024
    }
  } finally {
    await engine.dispose()
  }
  return { device: engine.device, figures, peakMemoryMiB }
}

/** A flow with parameters as they start, of data that are standardised already: speed does not depend on them. */
export async function untrained({ flow: config }: Recipe): Promise<{ readonly flow: Flow; readonly parameters: ParameterValues }> {
  const flow = nice(config)
  const plain = {
    mean: new Float64Array(config.dim),
    deviation: new Float64Array(config.dim).fill(1),
    cells: new Float64Array(pixelLevels).fill(1 / pixelLevels),
  }
  return { flow, parameters: await initialize(flow.parameters, 0, async () => plain) }
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

function constantsOf(flow: Flow, parameters: ParameterValues): ParameterValues {
  return Object.fromEntries(flow.parameters.filter(({ trainable }) => !trainable).map(({ name }) => [name, parameters[name]!]))
}
