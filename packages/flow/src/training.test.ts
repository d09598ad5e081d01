import { streamKey, tensor, uniform } from '@niceflow/core'
import { evaluate } from '@niceflow/graph'
import { expect, it } from 'vitest'
import { blockedShape } from './blocks.ts'
import { drawnParameters, float64Flow, small } from './laws.test-data.ts'
import { nice } from './nice.ts'
import { type AdamConfig, adam } from './optimizer.ts'
import type { ParameterValues } from './parameters.ts'
import { logScale } from './scaling.ts'
import { nextName, slotName, stateArrays, type TrainingGraphOptions, trainingGraph } from './training.ts'

const config = small({ dim: 3, hiddenLayers: 1, hiddenDim: 4, law: 'affine', activation: 'leaky-relu' })
const adamConfig: AdamConfig = { beta1: 0.9, beta2: 0.99, epsilon: 1e-2, weightDecay: 0.3 }
const [steps, batch] = [3, 4]
const learningRates = [0.1, 0.05, 0.02]
const x = tensor('float32', [steps, batch, config.dim], uniform(streamKey(9, 'probe', 0), steps * batch * config.dim))

/** Central differences of a float64 mean, followed through three steps of Adam; parameters of the reference are rounded to float32 between steps. */
const tolerance = 1e-5
const difference = 1e-3

/** Mean log-likelihood of one batch. */
function objective(values: ParameterValues, step: number): number {
  const rows = Float64Array.from(x.data.subarray(step * batch * config.dim, (step + 1) * batch * config.dim))
  const scores = float64Flow(config, values).logLikelihoods(rows)
  return scores.reduce((sum, nats) => sum + nats, 0) / batch
}

function numericalGradient(values: ParameterValues, name: string, step: number): Float64Array {
  const parameter = values[name]!
  const centre = objective(values, step)
  return Float64Array.from(parameter.data, (kept, i) => {
    const slope = (by: number): number => {
      const data = parameter.data.slice()
      data[i] = kept + by
      return (objective({ ...values, [name]: { ...parameter, data } }, step) - centre) / (data[i]! - kept)
    }
    // Each side over the step that float32 really took, so that rounding of the parameter does not count.
    const [above, below] = [slope(difference), slope(-difference)]
    return (above + below) / 2
  })
}

/** Algorithm 1 of Kingma and Ba as printed, with decoupled weight decay of matrices (Loshchilov and Hutter 2019). */
function textbookAdam(start: ParameterValues): { values: ParameterValues; logLikelihoods: number[] } {
  const { beta1, beta2, epsilon, weightDecay } = adamConfig
  const m = Object.fromEntries(Object.entries(start).map(([name, { data }]) => [name, new Float64Array(data.length)]))
  const v = Object.fromEntries(Object.entries(start).map(([name, { data }]) => [name, new Float64Array(data.length)]))
  let values = start
  const logLikelihoods = learningRates.map((learningRate, step) => {
    const t = step + 1
    const before = values
    values = Object.fromEntries(
      Object.entries(before).map(([name, parameter]) => {
        const g = numericalGradient(before, name, step).map((slope) => -slope)
        const data = parameter.data.map((w, i) => {
          m[name]![i] = beta1 * m[name]![i]! + (1 - beta1) * g[i]!
          v[name]![i] = beta2 * v[name]![i]! + (1 - beta2) * g[i]! ** 2
          const [mHat, vHat] = [m[name]![i]! / (1 - beta1 ** t), v[name]![i]! / (1 - beta2 ** t)]
          const decay = parameter.dims.length > 1 ? learningRate * weightDecay * w : 0
          return w - decay - (learningRate * mHat) / (Math.sqrt(vHat) + epsilon)
        })
        return [name, { ...parameter, data }]
      }),
    )
    return objective(before, step)
  })
  return { values, logLikelihoods }
}

/** Three steps of the training graph, in float64. */
function interpretSteps(start: ParameterValues, adamOptions: AdamConfig, options: TrainingGraphOptions = {}): ReturnType<typeof evaluate> {
  const flow = nice(config)
  const optimizer = adam(adamOptions)
  const scalars = learningRates.map((rate, k) => optimizer.scalarsAt(k + 1, rate))
  const state = Object.fromEntries(stateArrays(flow, optimizer).map(({ name, dims }) => [name, start[name] ?? tensor('float32', dims)]))
  const columns = optimizer.scalars.map(
    (name, i) =>
      [
        name,
        tensor(
          'float32',
          [steps],
          Float32Array.from(scalars, (row) => row[i]!),
        ),
      ] as const,
  )
  const graph = trainingGraph(flow, optimizer, options)
  const used = new Set(graph.inputs.map(({ name }) => name))
  return evaluate(
    graph,
    Object.fromEntries(Object.entries({ x, ...state, ...Object.fromEntries(columns) }).filter(([name]) => used.has(name))),
  )
}

it('the training graph takes the steps of textbook Adam on numerical gradients', () => {
  const start = drawnParameters(config, 4)
  const outputs = interpretSteps(start, adamConfig)
  const { values, logLikelihoods } = textbookAdam(start)
  logLikelihoods.forEach((nats, k) => {
    expect(Math.abs(outputs.log_likelihood!.data[k]! - nats)).toBeLessThan(tolerance)
  })
  for (const [name, { data }] of Object.entries(values)) {
    const largest = data.reduce((most, w, i) => Math.max(most, Math.abs(w - outputs[nextName(name)]!.data[i]!)), 0)
    expect(largest, name).toBeLessThan(tolerance)
    expect(outputs[nextName(slotName('first_moment', name))]!.dims).toEqual(start[name]!.dims)
  }
})

it('updates in blocks exactly as it does whole', () => {
  const start = drawnParameters(config, 4)
  const whole = interpretSteps(start, adamConfig)
  const blocked = interpretSteps(start, adamConfig, { blockSize: 2 })
  expect(blockedShape([2, 4], 2)).toEqual([2, 1, 4])
  expect(blocked).toEqual(whole)
})

it('moves a parameter by its own rate', () => {
  const start = drawnParameters(config, 4)
  const rates = { [logScale]: 10 }
  const moved = (outputs: ReturnType<typeof evaluate>): number => outputs[nextName(logScale)]!.data[0]! - start[logScale]!.data[0]!
  const [plain, faster] = [
    interpretSteps(start, { ...adamConfig, epsilon: 1e-8 }),
    interpretSteps(start, { ...adamConfig, epsilon: 1e-8, rates }),
  ]
  // Adam's first steps have the size of the learning rate, whatever the gradient's.
  expect(moved(faster) / moved(plain)).toBeGreaterThan(5)
})

it('cuts large matrices only, into whole rows', () => {
  expect(blockedShape([1000, 1000])).toEqual([4, 250, 1000])
  expect(blockedShape([392, 1000])).toEqual([392, 1000])
  expect(blockedShape([1_000_000])).toEqual([1_000_000])
  expect(blockedShape([997, 1000])).toEqual([997, 1000])
})
