import { rows, streamKey, type Tensor, tensor, uniform } from '@niceflow/core'
import { adam, type FlowConfig, initialize, nice, type ParameterValues, paperMnist, stateArrays, trainingGraph } from '@niceflow/flow'
import { evaluate } from '@niceflow/graph'
import { openSession } from '@niceflow/runtime-node'
import { afterAll, describe, expect, it } from 'vitest'
import type { Engine, TrainingState } from './engine.ts'
import { onnxRuntimeEngine } from './onnxruntime.ts'
import { scalarsOf } from './steps.ts'

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
const engine: Engine = await onnxRuntimeEngine({ flow, optimizer, constants }, (model) => openSession(model, { device: 'cpu' }))

afterAll(() => engine.dispose())

describe('the onnxruntime engine', () => {
  it('takes the steps that the float64 reference takes', async () => {
    await engine.load(start)
    const logLikelihood = await engine.train({ x, learningRates })
    const state = await engine.state()
    const scalars = scalarsOf(optimizer, 0, { x, learningRates })
    const reference = evaluate(trainingGraph(flow, optimizer), { x, ...scalars, ...constants, ...arrays })
    expect(largest(logLikelihood, reference.log_likelihood!.data)).toBeLessThan(float32Tolerance)
    for (const [name, { data }] of Object.entries(state.arrays)) {
      expect(largest(data, reference[`next/${name}`]!.data), name).toBeLessThan(float32Tolerance)
    }
    expect(state.step).toBe(steps)
  })

  it('gives the same bits in one run of four steps and in four runs of one', async () => {
    await engine.load(start)
    const together = { logLikelihood: await engine.train({ x, learningRates }), state: await engine.state() }
    await engine.load(start)
    const nats: number[] = []
    for (let k = 0; k < steps; k++) {
      nats.push(...(await engine.train({ x: rows(x, k, k + 1), learningRates: [learningRates[k]!] })))
    }
    expect(nats).toEqual([...together.logLikelihood])
    expect(await engine.state()).toEqual(together.state)
  })

  it('scores rows with the parameters that it holds, and leaves a state that it gave or was given as it was', async () => {
    const before = Object.fromEntries(Object.entries(start.arrays).map(([name, { data }]) => [name, data.slice()]))
    const examples: Tensor<'float32'> = tensor('float32', [batch, config.dim], x.data.slice(0, batch * config.dim))
    await engine.load(start)
    const given = await engine.state()
    const first = await engine.logLikelihood(examples)
    await engine.train({ x, learningRates })
    expect(mean(await engine.logLikelihood(examples))).toBeGreaterThan(mean(first))
    for (const [name, data] of Object.entries(before)) {
      expect(start.arrays[name]!.data).toEqual(data)
      expect(given.arrays[name]!.data).toEqual(data)
    }
  })

  it('refuses to train before it was given a state, and learning rates that are not one a step', async () => {
    const empty = await onnxRuntimeEngine({ flow, optimizer, constants }, (model) => openSession(model, { device: 'cpu' }))
    await expect(empty.train({ x, learningRates })).rejects.toThrow('state of the engine')
    await empty.dispose()
    await engine.load(start)
    await expect(engine.train({ x, learningRates: [1e-3] })).rejects.toThrow('one for each of 4 steps')
  })
})

function largest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
