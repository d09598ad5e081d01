import { rows, streamKey, type Tensor, tensor, uniform } from '@niceflow/core'
import { adam, type FlowConfig, initialize, nice, type ParameterValues, paperMnist, stateArrays, trainingGraph } from '@niceflow/flow'
import { evaluate } from '@niceflow/graph'
import { openSession } from '@niceflow/runtime-node'
import { afterAll, describe, expect, it } from 'vitest'
import type { Engine, TrainingState } from './engine.ts'
import { onnxRuntimeEngine } from './onnxruntime.ts'

/** Four float32 steps of a small flow against float64: rounding of 1e-7 on log-likelihoods of some ten nats, through Adam's quotients. */
const float32Tolerance = 1e-3

const config: FlowConfig = {
  ...paperMnist,
  dim: 5,
  hiddenLayers: 2,
  hiddenDim: 16,
  law: 'affine',
  prior: 'gaussian',
  preprocessing: [{ kind: 'standardize' }],
}
const flow = nice(config)
const optimizer = adam({ beta1: 0.9, beta2: 0.99, epsilon: 1e-4, weightDecay: 0.1 })
const [steps, batch] = [4, 8]
const x = tensor('float32', [steps, batch, config.dim], uniform(streamKey(2, 'probe', 0), steps * batch * config.dim))
const learningRates = [1e-2, 5e-3, 2e-3, 1e-3]

const moments = {
  mean: new Float64Array(config.dim).fill(0.5),
  deviation: new Float64Array(config.dim).fill(0.3),
  cells: new Float64Array(10).fill(0.1),
}
const values = await initialize(flow.parameters, 7, async () => moments)
const arrays = Object.fromEntries(stateArrays(flow, optimizer).map(({ name, dims }) => [name, values[name] ?? tensor('float32', dims)]))
const constants: ParameterValues = Object.fromEntries(Object.entries(values).filter(([name]) => !arrays[name]))
const start: TrainingState = { step: 0, arrays }
const engine: Engine = await onnxRuntimeEngine(flow, optimizer, constants, (model) => openSession(model, { device: 'cpu' }))

afterAll(() => engine.dispose())

describe('the onnxruntime engine', () => {
  it('takes the steps that the float64 reference takes', async () => {
    const { state, logLikelihood } = await engine.train(start, { x, learningRates })
    const columns = learningRates.map((rate, k) => optimizer.scalarsAt(k + 1, rate))
    const scalars = optimizer.scalars.map(
      (name, i) =>
        [
          name,
          tensor(
            'float32',
            [steps],
            Float32Array.from(columns, (row) => row[i]!),
          ),
        ] as const,
    )
    const reference = evaluate(trainingGraph(flow, optimizer), { x, ...Object.fromEntries(scalars), ...constants, ...arrays })
    expect(largest(logLikelihood, reference.log_likelihood!.data)).toBeLessThan(float32Tolerance)
    for (const [name, { data }] of Object.entries(state.arrays)) {
      expect(largest(data, reference[`next/${name}`]!.data), name).toBeLessThan(float32Tolerance)
    }
    expect(state.step).toBe(steps)
  })

  it('gives the same bits in one run of four steps and in four runs of one', async () => {
    const together = await engine.train(start, { x, learningRates })
    let state = start
    const nats: number[] = []
    for (let k = 0; k < steps; k++) {
      const result = await engine.train(state, { x: rows(x, k, k + 1), learningRates: [learningRates[k]!] })
      state = result.state
      nats.push(...result.logLikelihood)
    }
    expect(nats).toEqual([...together.logLikelihood])
    expect(state).toEqual(together.state)
  })

  it('scores rows with the parameters it is given, and leaves a state that it is given as it was', async () => {
    const before = Object.fromEntries(Object.entries(start.arrays).map(([name, { data }]) => [name, data.slice()]))
    const { state } = await engine.train(start, { x, learningRates })
    const examples: Tensor<'float32'> = tensor('float32', [batch, config.dim], x.data.slice(0, batch * config.dim))
    const [first, trained] = [await engine.logLikelihood(start.arrays, examples), await engine.logLikelihood(state.arrays, examples)]
    expect(mean(trained)).toBeGreaterThan(mean(first))
    for (const [name, data] of Object.entries(before)) expect(start.arrays[name]!.data).toEqual(data)
  })
})

function largest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
