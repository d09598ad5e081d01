import { batches, tensor } from '@niceflow/core'
import { optimizerOf, type PresetName, presets, type Recipe, startFrom, type TrainingData } from '@niceflow/engine'
import { type Flow, initialize, nice, type ParameterValues, standardMoments, trainingGraph } from '@niceflow/flow'
import { type Graph, matrixFlops } from '@niceflow/graph'
import type { Device, Session } from '@niceflow/runtime'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { inTurns, median, openPeak, rates, timed } from './benchmark-peak.ts'
import type { EngineOptions } from './engine-calls.ts'
import { loopEngine } from './make-engine.ts'

/** A training step of a preset's model and recipe. */
export type TrainingFigure = Figure & {
  readonly model: PresetName
  readonly msPerStep: number
  /** Making a batch and its noise, milliseconds a step. */
  readonly msPerBatch: number
}

/** Whether training needs more memory with time: what a model took at its first batch size, over two epochs of the data or more. */
export type TrainingMemory = {
  readonly model: PresetName
  readonly batch: number
  /** All that were done, those for the figure among them. */
  readonly steps: number
  /** The most memory resident after a run of steps, in the first half of them and in the second; MiB, everything in the process included. */
  readonly residentMiB: readonly [first: number, second: number]
}

/** What is measured, in this order; the first row's peak memory is the benchmark's. */
export const trainingRows: readonly { readonly model: PresetName; readonly batches: readonly number[] }[] = [
  { model: 'paper', batches: [200, 1000] },
  { model: 'affine', batches: [200] },
]

/** One for each half: what is made anew in each epoch is in both, and what is kept of each shows in the second. */
const memoryEpochs = 2

/** A peak's run: long enough for a clock. */
const peakFlops = 400e9

export type TrainingMeasurement = {
  readonly device: Device
  readonly figures: readonly TrainingFigure[]
  readonly memory: TrainingMemory
  /** The most memory that was ever resident in this process when the first batch size was done, MiB. */
  readonly peakMemoryMiB: number
}

type Measuring = Required<Pick<BenchmarkOptions, 'data' | 'repeats'>> & {
  readonly options: EngineOptions
  readonly open: (graph: Graph) => Promise<Session>
  readonly onProgress: BenchmarkOptions['onProgress']
}

/** Training steps of one model at some batch sizes, each in turns with the peak; and at the first of them, memory over epochs. */
export async function measureTraining(
  { model, batches }: (typeof trainingRows)[number],
  { data, repeats, options, open, onProgress }: Measuring,
): Promise<TrainingMeasurement> {
  const recipe = presets[model]
  const { flow, parameters } = await untrained(recipe)
  const optimizer = optimizerOf(recipe.training)
  const { arrays, constants } = startFrom(flow, optimizer, parameters)
  const engine = await loopEngine({ flow, optimizer, constants }, options)
  await engine.load({ step: 0, arrays })
  let done = 0
  const figures: TrainingFigure[] = []
  let memory: TrainingMemory | undefined
  let peakMemoryMiB = 0
  try {
    for (const batch of batches) {
      onProgress?.(`training the ${model} model at batch ${batch}`)
      const flopsPerStep = matrixFlops(trainingGraph(flow, optimizer), { batch, steps: 1 })
      // As the trainer takes them: what moves the state in and out of a run is shared by its steps.
      const steps = recipe.training.stepsPerRun
      const runs = wholeRuns(data, batch, steps, recipe)
      const making: number[] = []
      const resident: number[] = []
      let x = tensor('float32', [0, batch, flow.config.dim])
      const prepare = async (): Promise<void> => {
        const { result, seconds } = await timed(async () => runs.next().value!)
        making.push((seconds * 1000) / steps)
        x = tensor('float32', [steps, batch, flow.config.dim], result)
      }
      const train = async (): Promise<void> => {
        await engine.train({ x, learningRates: new Float64Array(steps).fill(recipe.training.learningRate) })
        done += steps
        resident.push(process.memoryUsage.rss() / 2 ** 20)
      }
      const figure = await inTurns(await openPeak(batch, peakFlops, open), repeats, train, prepare)
      const msPerStep = (figure.seconds * 1000) / steps
      figures.push({ model, msPerStep, msPerBatch: median(making), ...rates(batch, flopsPerStep, msPerStep, figure.billions) })
      if (memory) continue
      while (done * batch < memoryEpochs * data.examples.dims[0]!) {
        await prepare()
        await train()
      }
      memory = { model, batch, steps: done, residentMiB: mostInHalves(resident) }
      peakMemoryMiB = process.resourceUsage().maxRSS / 1024
    }
  } finally {
    await engine.dispose()
  }
  return { device: engine.device, figures, memory: memory!, peakMemoryMiB }
}

/** The largest of the first half of two numbers or more, and of the second. Garbage comes and goes: a single moment says little. */
export function mostInHalves(values: readonly number[]): readonly [first: number, second: number] {
  const middle = values.length >> 1
  return [Math.max(...values.slice(0, middle)), Math.max(...values.slice(middle))]
}

/** A flow with parameters as they start, of data that are standardised already: speed does not depend on them. */
export async function untrained({ flow: config }: Recipe): Promise<{ readonly flow: Flow; readonly parameters: ParameterValues }> {
  const flow = nice(config)
  return { flow, parameters: await initialize(flow.parameters, 0, async () => standardMoments(config.dim)) }
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
