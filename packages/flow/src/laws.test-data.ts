import { fillUniform, streamKey, tensor } from '@niceflow/core'
import { buildGraph, evaluate, type Float64Value } from '@niceflow/graph'
import { type FlowConfig, paperMnist } from './config.ts'
import { nice } from './nice.ts'
import type { ParameterValues } from './parameters.ts'

/** A small flow of the paper's kind. */
export const small = (changes: Partial<FlowConfig> = {}): FlowConfig => ({
  ...paperMnist,
  dim: 6,
  hiddenLayers: 2,
  hiddenDim: 7,
  ...changes,
})

/** Every parameter drawn, so that nothing is zero or one by luck of initialisation. */
export function drawnParameters(config: FlowConfig, seed = 1): ParameterValues {
  return Object.fromEntries(
    nice(config).parameters.map(({ name, dims }, i) => {
      const values = tensor('float32', dims)
      fillUniform(streamKey(seed, 'probe', i), values.data)
      const [low, high] = name.endsWith('deviation') || name.endsWith('shift_unit') ? [0.5, 1.5] : [-0.8, 0.8]
      const drawn = values.data.map((u) => low + (high - low) * u)
      // Widths of bins are positive, and sum to one.
      const sum = drawn.reduce((total, value) => total + Math.abs(value), 0)
      return [name, { ...values, data: name.endsWith('widths') ? drawn.map((value) => Math.abs(value) / sum) : drawn }]
    }),
  )
}

/** The flow in float64: x -> z, log-determinant and log-likelihood, and z -> x. */
export type Float64Flow = {
  readonly forward: (x: Float64Array) => { z: Float64Array; logDet: number; logLikelihood: number }
  readonly inverse: (z: Float64Array) => Float64Array
  /** Of many rows at once: [n, dim] -> [n]. */
  readonly logLikelihoods: (x: Float64Array) => Float64Array
}

export function float64Flow(config: FlowConfig, values: ParameterValues): Float64Flow {
  const flow = nice(config)
  const forward = buildGraph('forward')
  const weights = (g: typeof forward) => {
    const made = new Map(flow.parameters.map(({ name }) => [name, g.constant(name, values[name]!)]))
    return (name: string) => made.get(name)!
  }
  const w = weights(forward)
  const x = forward.input('x', 'float32', ['batch', config.dim])
  const { z, logDet } = flow.forward(forward, x, w)
  forward.output('z', z)
  forward.output('log_det', logDet)
  forward.output('log_likelihood', flow.logLikelihood(forward, x, w).logLikelihood)
  const inverse = buildGraph('inverse')
  inverse.output('x', flow.inverse(inverse, inverse.input('z', 'float32', ['batch', config.dim]), weights(inverse)))
  const [there, back] = [forward.build(), inverse.build()]
  const row = (data: Float64Array): Float64Value => ({ dims: [1, config.dim], data })
  return {
    forward: (data) => {
      const { z: latent, log_det, log_likelihood } = evaluate(there, { x: row(data) })
      return { z: latent!.data, logDet: log_det!.data[0]!, logLikelihood: log_likelihood!.data[0]! }
    },
    logLikelihoods: (data) => evaluate(there, { x: { dims: [data.length / config.dim, config.dim], data } }).log_likelihood!.data,
    inverse: (data) => evaluate(back, { z: row(data) }).x!.data,
  }
}
