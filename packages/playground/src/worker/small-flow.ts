import { fillUniform, quantiles, streamKey, type Tensor, tensor, uniform } from '@niceflow/core'
import type { EngineModel, TrainingRun, TrainingState } from '@niceflow/engine'
import {
  adam,
  type Flow,
  type FlowConfig,
  initialize,
  type Moments,
  nice,
  parseFlowConfig,
  ports,
  preprocessingGraph,
  stateArrays,
} from '@niceflow/flow'
import { evaluate } from '@niceflow/graph'

/**
 * A flow of a square, small enough to train while one watches: three couplings that give a coordinate a histogram which depends on the other
 * one, some 60,000 parameters.
 */
export const smallFlow: FlowConfig = parseFlowConfig({
  dim: 2,
  dataRange: [0, 1],
  preprocessing: [{ kind: 'logit', alpha: 0.02 }],
  partition: 'even-odd',
  start: 'first',
  couplings: 3,
  law: 'histogram',
  bins: 32,
  shiftUnit: 'one',
  hiddenLayers: 2,
  hiddenDim: 128,
  activation: 'relu',
  leak: 0.2,
  prior: 'logistic',
})

const batchSize = 256
const learningRate = 3e-3
/** Steps in which the rate halves: it finds the shape at first, and its edges later. */
const halving = 800

/** The model with the values that its training begins with, the same for the same seed and points. */
export async function startOf(points: Float32Array, seed: number): Promise<{ readonly model: EngineModel; readonly state: TrainingState }> {
  const flow = nice(smallFlow)
  const optimizer = adam({ beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 })
  const values = await initialize(flow.parameters, seed, async (steps) => momentsOf(behind(flow, steps, points)))
  const arrays = Object.fromEntries(stateArrays(flow, optimizer).map(({ name, dims }) => [name, values[name] ?? tensor('float32', dims)]))
  const constants = Object.fromEntries(Object.entries(values).filter(([name]) => !arrays[name]))
  return { model: { flow, optimizer, constants }, state: { step: 0, arrays } }
}

/** The points behind some steps of the flow's preprocessing, which has no parameters, [n, 2]: so few are quickly interpreted. */
function behind(flow: Flow, steps: number, points: Float32Array): ArrayLike<number> {
  const x = tensor('float32', [points.length / 2, 2], points)
  return steps === 0 ? points : evaluate(preprocessingGraph(flow, steps), { [ports.data]: x }).y!.data
}

function momentsOf(points: ArrayLike<number>): Moments {
  const axes = [0, 1].map((d) => Float64Array.from({ length: points.length / 2 }, (_, i) => points[2 * i + d]!))
  const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const mean = Float64Array.from(axes, meanOf)
  // Points on one line across have no deviation in one direction: they keep the unit there.
  const deviation = Float64Array.from(axes, (values, d) => Math.sqrt(meanOf(values.map((value) => (value - mean[d]!) ** 2))) || 1)
  return { mean, deviation, cells: new Float64Array(0) }
}

/** The batches and rates of some steps: a batch is drawn afresh, a function of the seed and the step alone. */
export function runOf(points: Float32Array, seed: number, step: number, steps: number): TrainingRun {
  const n = points.length / 2
  const x = new Float32Array(steps * batchSize * 2)
  for (let k = 0; k < steps; k++) {
    for (const [row, u] of uniform(streamKey(seed, 'shuffle', step + k), batchSize).entries()) {
      const at = 2 * Math.floor(u * n)
      x.set(points.subarray(at, at + 2), 2 * (k * batchSize + row))
    }
  }
  const learningRates = Float64Array.from({ length: steps }, (_, k) => learningRate * 0.5 ** ((step + k) / halving))
  return { x: tensor('float32', [steps, batchSize, 2], x), learningRates }
}

/** The middles of a grid's cells, row by row from the top, [side * side, 2]. */
export function gridPoints(side: number): Tensor<'float32'> {
  const at = (i: number): number => (i + 0.5) / side
  const points = Array.from({ length: side * side }, (_, i) => [at(i % side), 1 - at(Math.floor(i / side))])
  return tensor('float32', [side * side, 2], Float32Array.from(points.flat()))
}

/** Latents of the prior, [count, 2]: the same at every step, so that one sees samples move. */
export function priorPoints(count: number): Tensor<'float32'> {
  const z = tensor('float32', [count, 2])
  for (let i = 0; i < count; i++) fillUniform(streamKey(0, 'sample', i), z.data, 2 * i, 2 * i + 2)
  return { ...z, data: z.data.map(quantiles[smallFlow.prior]) }
}
