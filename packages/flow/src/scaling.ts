import type { Builder, Value } from '@niceflow/graph'
import type { FlowConfig } from './config.ts'
import type { Initial, Parameter, Weights } from './parameters.ts'
import { type Halves, type Partition, splitHalves } from './partition.ts'
import { priors } from './prior.ts'

/** The diagonal scaling z = exp(s) h of section 3.3: it lets the model give dimensions more or less weight. */
export type Scaling = {
  readonly parameters: readonly Parameter[]
  /** z = exp(s) h; log|det| = sum_d s_d, the same for every example: a scalar, nats. */
  readonly forward: (g: Builder, h: Halves, weights: Weights) => { readonly z: Halves; readonly logDet: Value }
  /** h = exp(-s) z */
  readonly inverse: (g: Builder, z: Halves, weights: Weights) => Halves
}

/** The name of s [dim]. */
export const logScale = 'scaling/log_scale'

/** How s may start: from the data, at 0 as in the authors' code, or drawn from N(0, 1) as in a PyTorch form. */
export const scaleInits = ['data', 'zero', 'normal'] as const
export type ScaleInit = (typeof scaleInits)[number]

/**
 * The start of s. `data` gives data with the deviation sigma_d the prior's deviation: s_d = ln(deviation of the prior) - ln sigma_d. (Scaling
 * before a standard prior equals training the prior's own scale exp(-s).)
 */
export function scaleInitial({ prior, preprocessing }: FlowConfig, how: ScaleInit): Initial {
  const starts: Readonly<Record<ScaleInit, Initial>> = {
    data: {
      after: preprocessing.length,
      from: ({ deviation }) => Float32Array.from(deviation, (sigma) => Math.log(priors[prior].deviation / sigma)),
    },
    zero: { fill: 0 },
    normal: { normal: 1 },
  }
  return starts[how]
}

/** The scaling layer; s starts from the data. */
export function scaling(config: FlowConfig, partition: Partition): Scaling {
  const halves = (g: Builder, weights: Weights, of: (s: Value) => Value): Halves => splitHalves(g, of(weights(logScale)), partition)
  return {
    parameters: [{ name: logScale, dims: [config.dim], initial: scaleInitial(config, 'data'), trainable: true }],
    forward: (g, h, weights) =>
      g.scope('scaling', () => {
        const scale = halves(g, weights, g.Exp)
        return {
          z: { first: g.Mul(h.first, scale.first), second: g.Mul(h.second, scale.second) },
          logDet: g.ReduceSum(weights(logScale), [0], { keepdims: 0 }),
        }
      }),
    inverse: (g, z, weights) =>
      g.scope('scaling_inverse', () => {
        const scale = halves(g, weights, (s) => g.Exp(g.Neg(s)))
        return { first: g.Mul(z.first, scale.first), second: g.Mul(z.second, scale.second) }
      }),
  }
}
