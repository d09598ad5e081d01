import { rows, streamKey, type Tensor, tensor, uniform } from '@niceflow/core'
import {
  adam,
  averaged,
  type FlowConfig,
  initialize,
  type Moments,
  nice,
  type ParameterValues,
  paperMnist,
  standardMoments,
  stateArrays,
  trainingGraph,
} from '@niceflow/flow'
import { evaluate } from '@niceflow/graph'
import { afterAll, describe, expect, it } from 'vitest'
import type { Engine, EngineModel, TrainingState } from './engine.ts'
import { scalarsOf } from './steps.ts'

/** Four float32 steps of a small flow against float64: rounding of 1e-7 on log-likelihoods of some ten nats, through Adam's quotients. */
const float32Tolerance = 1e-3

export type Problem = { readonly model: EngineModel; readonly start: TrainingState; readonly x: Tensor<'float32'> }

const moments = (dim: number): Moments => ({
  ...standardMoments(dim),
  mean: new Float64Array(dim).fill(0.5),
  deviation: new Float64Array(dim).fill(0.3),
})

/** A flow, its first state, and batches [steps, batch, dim] drawn from [0, 1). */
export async function problem(config: FlowConfig, [steps, batch]: readonly [number, number], dropout = 0): Promise<Problem> {
  const flow = nice(config)
  const optimizer = averaged(adam({ beta1: 0.9, beta2: 0.99, epsilon: 1e-4, weightDecay: 0.1 }), 0.9)
  const values = await initialize(flow.parameters, 7, async () => moments(config.dim))
  const arrays = Object.fromEntries(stateArrays(flow, optimizer).map(({ name, dims }) => [name, values[name] ?? tensor('float32', dims)]))
  const constants: ParameterValues = Object.fromEntries(Object.entries(values).filter(([name]) => !arrays[name]))
  const x = tensor('float32', [steps, batch, config.dim], uniform(streamKey(2, 'probe', 0), steps * batch * config.dim))
  return { model: { flow, optimizer, constants, dropout }, start: { step: 0, arrays }, x }
}

const laws: Readonly<Record<string, Partial<FlowConfig>>> = {
  'an additive flow as deep as the paper has it': { hiddenLayers: 5 },
  'an affine flow with preprocessing and the Gaussian prior': {
    law: 'affine',
    hiddenLayers: 1,
    prior: 'gaussian',
    preprocessing: [{ kind: 'standardize' }],
  },
  'a flow of whitened data': { hiddenLayers: 1, preprocessing: [{ kind: 'whiten', method: 'zca', epsilon: 0 }] },
  'a flow of histograms': {
    law: 'histogram',
    bins: 4,
    partition: 'dyadic',
    hiddenLayers: 1,
    preprocessing: [
      { kind: 'equalize', bins: 4 },
      { kind: 'logit', alpha: 1e-6 },
    ],
  },
  'a flow of splines': { law: 'spline', bins: 4, hiddenLayers: 1, prior: 'gaussian', preprocessing: [{ kind: 'standardize' }] },
}
const learningRates = [1e-2, 5e-3, 2e-3, 1e-3]

/** What every engine must do. */
export function engineLaws(name: string, make: (model: EngineModel) => Promise<Engine>): void {
  for (const [what, changes] of Object.entries(laws)) {
    describe(`${name} with ${what}`, async () => {
      const { model, start, x } = await problem({ ...paperMnist, dim: 5, hiddenDim: 16, ...changes }, [4, 8])
      const { flow, optimizer, constants } = model
      const engine = await make(model)
      afterAll(() => engine.dispose())

      it('takes the steps that the float64 reference takes', async () => {
        await engine.load(start)
        const logLikelihood = await engine.train({ x, learningRates })
        const state = await engine.state()
        const scalars = scalarsOf(optimizer, 0, { x, learningRates })
        const reference = evaluate(trainingGraph(flow, optimizer), { x, ...scalars, ...constants, ...start.arrays })
        expect(largest(logLikelihood, reference.log_likelihood!.data)).toBeLessThan(float32Tolerance)
        for (const [name, { data }] of Object.entries(state.arrays)) {
          expect(largest(data, reference[`next/${name}`]!.data), name).toBeLessThan(float32Tolerance)
        }
        expect(state.step).toBe(4)
      })

      it('gives the same bits in one run of four steps and in four runs of one', async () => {
        await engine.load(start)
        const together = { logLikelihood: await engine.train({ x, learningRates }), state: await engine.state() }
        await engine.load(start)
        const nats: number[] = []
        for (const [k, rate] of learningRates.entries()) {
          nats.push(...(await engine.train({ x: rows(x, k, k + 1), learningRates: [rate] })))
        }
        expect(nats).toEqual([...together.logLikelihood])
        expect(await engine.state()).toEqual(together.state)
      })

      it('scores rows with the parameters that it holds, and leaves a state that it gave or was given as it was', async () => {
        const before = Object.fromEntries(Object.entries(start.arrays).map(([name, { data }]) => [name, data.slice()]))
        const examples = tensor('float32', [8, 5], x.data.slice(0, 40))
        await engine.load(start)
        const given = await engine.state()
        const first = await engine.logLikelihood(examples)
        await engine.train({ x, learningRates })
        expect(mean(await engine.logLikelihood(examples))).not.toBe(mean(first))
        for (const [name, data] of Object.entries(before)) {
          expect(start.arrays[name]!.data).toEqual(data)
          expect(given.arrays[name]!.data).toEqual(data)
        }
      })

      it('refuses to train before it was given a state, and learning rates that are not one a step', async () => {
        const empty = await make(model)
        await expect(empty.train({ x, learningRates })).rejects.toThrow('state of the engine')
        await empty.dispose()
        await engine.load(start)
        await expect(engine.train({ x, learningRates: [1e-3] })).rejects.toThrow('one for each of 4 steps')
      })
    })
  }
}

/** The largest difference of two lists. */
export function largest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
