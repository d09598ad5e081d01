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

/** Histograms of equalised data, as a change of `small`. */
export const histograms: Partial<FlowConfig> = {
  law: 'histogram',
  bins: 3,
  partition: 'dyadic',
  preprocessing: [
    { kind: 'equalize', bins: 4 },
    { kind: 'logit', alpha: 1e-6 },
  ],
}

/** Every parameter drawn, so that nothing is zero or one by luck of initialisation. */
export function drawnParameters(config: FlowConfig, seed = 1): ParameterValues {
  return Object.fromEntries(
    nice(config).parameters.map(({ name, dims }, i) => {
      const whitening = drawnWhitening(name.split('/')[1]!, config.dim)
      if (whitening) return [name, tensor('float32', dims, whitening)]
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

/**
 * W = I + c v v' with v = (1, -1, 1, ...) and 1 + c dim = 4: det W = 4, and the inverse is I - c / 4 v v'. In six dimensions c is 1/2, and all of it
 * but ln 4 is exact in float32.
 */
function drawnWhitening(part: string, dim: number): Float32Array | undefined {
  const c = 3 / dim
  const plus = (factor: number): Float32Array =>
    Float32Array.from(
      { length: dim ** 2 },
      (_, i) => (i % (dim + 1) === 0 ? 1 : 0) + factor * ((Math.floor(i / dim) + (i % dim)) % 2 === 0 ? 1 : -1),
    )
  const parts: Readonly<Record<string, () => Float32Array>> = {
    matrix: () => plus(c),
    inverse: () => plus(-c / 4),
    log_det: () => Float32Array.of(Math.log(4)),
  }
  return parts[part]?.()
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
