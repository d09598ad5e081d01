import { rows, streamKey, tensor, uniform } from '@niceflow/core'
import { buildGraph, evaluate } from '@niceflow/graph'
import { expect, it } from 'vitest'
import { dropoutDraws } from './dropout.ts'
import { layoutOf, slotName, stateArrays } from './groups.ts'
import { drawnParameters, float64Flow, small } from './laws.test-data.ts'
import { nice } from './nice.ts'
import { type AdamConfig, adam, averaged, clipped, type Optimizer } from './optimizer.ts'
import type { ParameterValues } from './parameters.ts'
import { logScale } from './scaling.ts'
import { nextName, parametersOf, type TrainingGraphOptions, trainingGraph } from './training.ts'

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

/** The first steps of the training graph, in float64. */
function interpretSteps(
  start: ParameterValues,
  optimizer: Optimizer,
  options: TrainingGraphOptions = {},
  count: number = steps,
  draws: ParameterValues = {},
): ReturnType<typeof evaluate> {
  const flow = nice(config)
  const scalars = learningRates.slice(0, count).map((rate, k) => optimizer.scalarsAt(k + 1, rate))
  const { arrays } = layoutOf(flow, optimizer, options.joined)
  const state = Object.fromEntries(arrays.map(({ name, dims }) => [name, start[name] ?? tensor('float32', dims)]))
  const columns = optimizer.scalars.map(
    (name, i) =>
      [
        name,
        tensor(
          'float32',
          [count],
          Float32Array.from(scalars, (row) => row[i]!),
        ),
      ] as const,
  )
  const graph = trainingGraph(flow, optimizer, options)
  const used = new Set(graph.inputs.map(({ name }) => name))
  return evaluate(
    graph,
    Object.fromEntries(
      Object.entries({ x: rows(x, 0, count), ...draws, ...state, ...Object.fromEntries(columns) }).filter(([name]) => used.has(name)),
    ),
  )
}

it('the training graph takes the steps of textbook Adam on numerical gradients', () => {
  const start = drawnParameters(config, 4)
  const outputs = interpretSteps(start, adam(adamConfig))
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

it.each([2, 5])('takes the same steps unrolled by %i, however many are left over', (unrolled) => {
  const start = drawnParameters(config, 4)
  for (const count of [1, 2, 3]) {
    const plain = interpretSteps(start, adam(adamConfig), {}, count)
    const outputs = interpretSteps(start, adam(adamConfig), { unrolled }, count)
    for (const [name, { data }] of Object.entries(plain)) expect(outputs[name]!.data, name).toEqual(data)
  }
})

it('takes the same steps where what is treated alike is one array', () => {
  const flow = nice(config)
  const start = drawnParameters(config, 4)
  for (const optimizer of [adam(adamConfig), averaged(clipped(adam({ ...adamConfig, rates: { [logScale]: 10 } }), 0.1), 0.9)]) {
    const layout = layoutOf(flow, optimizer, true)
    expect(layout.groups.length).toBeLessThan(flow.parameters.length)
    const state = Object.fromEntries(stateArrays(flow, optimizer).map(({ name, dims }) => [name, start[name] ?? tensor('float32', dims)]))
    const plain = interpretSteps(state, optimizer)
    const outputs = interpretSteps(layout.join(state), optimizer, { joined: true })
    expect(outputs.log_likelihood).toEqual(plain.log_likelihood)
    const next = Object.fromEntries(layout.arrays.map(({ name }) => [name, outputs[nextName(name)] as never]))
    for (const [name, { dims, data }] of Object.entries(layout.split(next))) {
      expect(dims, name).toEqual(plain[nextName(name)]!.dims)
      expect(data, name).toEqual(plain[nextName(name)]!.data)
    }
  }
})

it('moves a parameter by its own rate', () => {
  const start = drawnParameters(config, 4)
  const rates = { [logScale]: 10 }
  const moved = (outputs: ReturnType<typeof evaluate>): number => outputs[nextName(logScale)]!.data[0]! - start[logScale]!.data[0]!
  const [plain, faster] = [
    interpretSteps(start, adam({ ...adamConfig, epsilon: 1e-8 }), {}, 1),
    interpretSteps(start, adam({ ...adamConfig, epsilon: 1e-8, rates }), {}, 1),
  ]
  // Adam's first step has the size of the learning rate, whatever the gradient's: all but epsilon, and float32's rounding of a move of a thousandth.
  expect(Math.abs(moved(faster) / moved(plain) - 10)).toBeLessThan(1e-3)
})

/** Plain gradient descent, whose steps show the gradient itself. */
const descent: Optimizer = {
  slots: [],
  scalars: ['step_size'],
  treatment: () => ({ rate: 1, decays: false }),
  scalarsAt: (_, learningRate) => [learningRate],
  update: (g, _, parameter, gradient, __, [stepSize]) => ({ parameter: g.Sub(parameter, g.Mul(gradient, stepSize!)), slots: [] }),
}

/** How far the first step moves all parameters together. */
function firstStep(start: ParameterValues, optimizer: Optimizer): number {
  const outputs = interpretSteps(start, optimizer, {}, 1)
  const squares = Object.entries(start).flatMap(([name, { data }]) => {
    const next = outputs[nextName(name)]
    return next ? [...data].map((w, i) => (w - Number(next.data[i])) ** 2) : []
  })
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0))
}

it('clips the joint norm of all gradients, and leaves smaller ones as they are', () => {
  const start = drawnParameters(config, 4)
  const free = firstStep(start, descent) / learningRates[0]!
  expect(firstStep(start, clipped(descent, free / 4)) / learningRates[0]!).toBeCloseTo(free / 4, 5)
  expect(firstStep(start, clipped(descent, free * 4)) / learningRates[0]!).toBeCloseTo(free, 5)
  expect(interpretSteps(start, clipped(adam(adamConfig), 1e9))).toEqual(interpretSteps(start, adam(adamConfig)))
})

it('averages the weights of the first steps evenly, then exponentially, and leaves the weights alone', () => {
  const start = drawnParameters(config, 4)
  const flow = nice(config)
  const plain = [1, 2, 3].map((count) => interpretSteps(start, adam(adamConfig), {}, count))
  const average = (decay: number): ReturnType<typeof evaluate> => interpretSteps(start, averaged(adam(adamConfig), decay))
  for (const { name } of flow.parameters.filter(({ trainable }) => trainable)) {
    const [one, two, three] = plain.map((outputs) => [...outputs[nextName(name)]!.data].map(Number))
    const even = [...average(0.999)[nextName(slotName('average', name))]!.data]
    const fading = [...average(0.5)[nextName(slotName('average', name))]!.data]
    for (let i = 0; i < one!.length; i++) {
      expect(Math.abs(Number(even[i]) - (one![i]! + two![i]! + three![i]!) / 3)).toBeLessThan(tolerance)
      expect(Math.abs(Number(fading[i]) - (one![i]! / 4 + two![i]! / 4 + three![i]! / 2))).toBeLessThan(tolerance)
    }
    expect(average(0.9)[nextName(name)]).toEqual(plain[2]![nextName(name)])
  }
})

it('stands for its average where it keeps one, else for its own weights', () => {
  const flow = nice(config)
  const arrays = Object.fromEntries(
    flow.parameters
      .flatMap(({ name }) => [name, slotName('average', name)])
      .map((name) => [name, tensor('float32', [1], Float32Array.of(name.startsWith('average') ? 2 : 1))]),
  )
  const values = (optimizer: Optimizer): number[] => Object.values(parametersOf(flow, optimizer, arrays, {})).map(({ data }) => data[0]!)
  expect(new Set(values(descent))).toEqual(new Set([1]))
  expect(new Set(values(averaged(descent, 0.9)))).toEqual(new Set([2]))
})

it('drops hidden units by the sums of two draws without their whole parts, and scales the others up', () => {
  const start = drawnParameters(config, 4)
  const flow = nice(config)
  const rate = 0.4
  const draws = dropoutDraws(config, { seed: 5, step: 0, steps, batch })
  const optimizer = adam(adamConfig)
  const outputs = interpretSteps(start, optimizer, { dropout: rate }, steps, draws)
  const [examples, units] = Object.values(draws).map(({ data }) => data)
  const layers = config.couplings * config.hiddenLayers
  const g = buildGraph('dropped')
  const row = g.input('x', 'float32', [batch, config.dim])
  const weights = new Map(Object.entries(start).map(([name, value]) => [name, g.constant(name, value)]))
  let layer = 0
  const masked = flow.logLikelihood(
    g,
    row,
    (name) => weights.get(name)!,
    (body, h) => {
      const mask = tensor('float32', [batch, config.hiddenDim])
      for (let i = 0; i < mask.data.length; i++) {
        const sum =
          examples![layer * batch + Math.floor(i / config.hiddenDim)]! + units![layer * config.hiddenDim + (i % config.hiddenDim)]!
        mask.data[i] = sum - Math.floor(sum) > rate ? 1 / (1 - rate) : 0
      }
      layer++
      return body.Mul(h, body.constant(`mask_${layer}`, mask))
    },
  )
  g.output('log_likelihood', masked.logLikelihood)
  const scores = evaluate(g.build(), { x: { ...rows(x, 0, 1), dims: [batch, config.dim] } }).log_likelihood!.data
  expect(layer).toBe(layers)
  const mean = [...scores].reduce<number>((sum, nats) => sum + Number(nats), 0) / batch
  expect(Math.abs(Number(outputs.log_likelihood!.data[0]) - mean)).toBeLessThan(tolerance)
  expect(Math.abs(mean - objective(start, 0))).toBeGreaterThan(tolerance)
})

it("dropout's draws are uniform, each step's own, whatever the run that it is in", () => {
  const sizes = { couplings: 2, hiddenLayers: 2, hiddenDim: 50 }
  const all = Object.values(dropoutDraws(sizes, { seed: 5, step: 3, steps: 4, batch: 40 }))
  const later = Object.values(dropoutDraws(sizes, { seed: 5, step: 5, steps: 1, batch: 40 }))
  expect(all.map((draws) => rows(draws, 2, 3))).toEqual(later)
  const [examples, units] = all
  let dropped = 0
  for (const p of examples!.data.subarray(0, 40)) for (const q of units!.data.subarray(0, 50)) dropped += (p + q) % 1 < 0.3 ? 1 : 0
  // Five standard deviations of 2,000 pairwise independent draws.
  expect(Math.abs(dropped / 2000 - 0.3)).toBeLessThan(5 * Math.sqrt((0.3 * 0.7) / 2000))
})
