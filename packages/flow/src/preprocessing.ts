import type { Builder, Value } from '@niceflow/graph'
import type { FlowConfig, Preprocessing } from './config.ts'
import type { Moments, Parameter, Weights } from './parameters.ts'
import { sumOverDims } from './sum.ts'

/** A bijection of the data before the couplings, on x [batch, dim]. */
export type Bijection = {
  readonly name: string
  readonly parameters: readonly Parameter[]
  /** `logDet` is [batch], or a scalar where it is the same for every example; nats. */
  readonly forward: (g: Builder, x: Value, weights: Weights) => { readonly y: Value; readonly logDet: Value }
  readonly inverse: (g: Builder, y: Value, weights: Weights) => Value
}

/** y = logit(p) = ln p - ln(1 - p) of p = alpha + (1 - 2 alpha) x; log|det| = sum (ln(1 - 2 alpha) - ln p - ln(1 - p)). */
function logit(name: string, dim: number, alpha: number): Bijection {
  const slope = 1 - 2 * alpha
  return {
    name,
    parameters: [],
    forward: (g, x) => {
      const p = g.Add(g.Mul(x, slope), alpha)
      const [lnP, lnQ] = [g.Log(p), g.Log(g.Sub(1, p))]
      return { y: g.Sub(lnP, lnQ), logDet: g.Sub(dim * Math.log(slope), sumOverDims(g, g.Add(lnP, lnQ))) }
    },
    inverse: (g, y) => g.Mul(g.Sub(g.Sigmoid(y), alpha), 1 / slope),
  }
}

/** y = (x - mean) / deviation, the training data's; log|det| = -sum ln deviation. */
function standardize(name: string, dim: number, after: number): Bijection {
  const names = { mean: `${name}/mean`, deviation: `${name}/deviation` }
  const constant = (key: keyof Moments): Parameter => ({
    name: names[key],
    dims: [dim],
    initial: { after, from: (moments) => Float32Array.from(moments[key]) },
    trainable: false,
  })
  return {
    name,
    parameters: [constant('mean'), constant('deviation')],
    forward: (g, x, weights) => ({
      y: g.Div(g.Sub(x, weights(names.mean)), weights(names.deviation)),
      logDet: g.Neg(g.ReduceSum(g.Log(weights(names.deviation)), [0], { keepdims: 0 })),
    }),
    inverse: (g, y, weights) => g.Add(g.Mul(y, weights(names.deviation)), weights(names.mean)),
  }
}

function bijection(step: Preprocessing, index: number, dim: number): Bijection {
  const name = `preprocessing_${index + 1}`
  return step.kind === 'logit' ? logit(name, dim, step.alpha) : standardize(name, dim, index)
}

/** The preprocessing bijections of a configuration, in the order in which data pass them. */
export function preprocessing({ preprocessing: steps, dim }: FlowConfig): readonly Bijection[] {
  return steps.map((step, index) => bijection(step, index, dim))
}
