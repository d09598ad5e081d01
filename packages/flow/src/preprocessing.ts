import type { Builder, Value } from '@niceflow/graph'
import type { FlowConfig, Preprocessing } from './config.ts'
import { distribution, equalMassWidths, logDensity, quantile } from './histogram.ts'
import type { Parameter, ParameterValues, Weights } from './parameters.ts'
import { sumOverDims } from './sum.ts'

/** A bijection of the data before the couplings, on x [batch, dim]. */
export type Bijection = {
  readonly name: string
  readonly parameters: readonly Parameter[]
  /** `logDet` is [batch], or a scalar where it is the same for every example; nats. */
  readonly forward: (g: Builder, x: Value, weights: Weights) => { readonly y: Value; readonly logDet: Value }
  readonly inverse: (g: Builder, y: Value, weights: Weights) => Value
  /** log|det| in nats, from its parameters, where it is the same for every example. */
  readonly constantLogDet?: (values: ParameterValues) => number
}

/**
 * y = the quantile function of a histogram whose masses are the widths of bins of equal mass: where data are dense, they are spread out. For
 * images with black backgrounds the first bin is the darkest level alone. log|det| = -sum ln F'(y). What is not on [0, 1] stays so, for a logit to
 * refuse.
 */
function equalize(name: string, bins: number): Bijection {
  const widths = `${name}/widths`
  const masses = (g: Builder, weights: Weights): Value => g.Reshape(weights(widths), [1, 1, bins])
  return {
    name,
    parameters: [
      { name: widths, dims: [bins], initial: { after: 0, from: ({ cells }) => equalMassWidths(cells, bins) }, trainable: false },
    ],
    forward: (g, x, weights) => {
      const inside = quantile(g, x, masses(g, weights))
      const y = g.Add(inside, g.Sub(x, g.Clip(x, 0, 1)))
      return { y, logDet: g.Neg(sumOverDims(g, logDensity(g, inside, masses(g, weights)))) }
    },
    inverse: (g, y, weights) => distribution(g, y, masses(g, weights)),
  }
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
  const constant = (key: keyof typeof names): Parameter => ({
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
    constantLogDet: (values) => values[names.deviation]!.data.reduce((sum, deviation) => sum - Math.log(deviation), 0),
  }
}

/**
 * y = (x - mean) W, rows by the symmetric W = (C + epsilon I)^-1/2 of the training data's covariance C; log|det| = ln det W. The inverse of W is
 * kept beside it: a decoder never solves.
 * @see Bell and Sejnowski 1997 (zero-phase whitening); Coates and Ng 2012, section 3.1 (epsilon)
 */
function whiten(name: string, dim: number, after: number, epsilon: number): Bijection {
  const names = { mean: `${name}/mean`, matrix: `${name}/matrix`, inverse: `${name}/inverse`, logDet: `${name}/log_det` }
  const constant = (key: keyof typeof names, dims: readonly number[]): Parameter => ({
    name: names[key],
    dims,
    initial: {
      after,
      from: async ({ whitening }) => {
        const value = (await whitening(epsilon))[key]
        return typeof value === 'number' ? Float32Array.of(value) : value
      },
    },
    trainable: false,
  })
  return {
    name,
    parameters: [constant('mean', [dim]), constant('matrix', [dim, dim]), constant('inverse', [dim, dim]), constant('logDet', [])],
    forward: (g, x, weights) => ({
      y: g.MatMul(g.Sub(x, weights(names.mean)), weights(names.matrix)),
      logDet: weights(names.logDet),
    }),
    inverse: (g, y, weights) => g.Add(g.MatMul(y, weights(names.inverse)), weights(names.mean)),
    constantLogDet: (values) => values[names.logDet]!.data[0]!,
  }
}

function bijection(step: Preprocessing, index: number, dim: number): Bijection {
  const name = `preprocessing_${index + 1}`
  switch (step.kind) {
    case 'equalize':
      return equalize(name, step.bins)
    case 'logit':
      return logit(name, dim, step.alpha)
    case 'standardize':
      return standardize(name, dim, index)
    case 'whiten':
      return whiten(name, dim, index, step.epsilon)
  }
}

/** The preprocessing bijections of a configuration, in the order in which data pass them. */
export function preprocessing({ preprocessing: steps, dim }: FlowConfig): readonly Bijection[] {
  return steps.map((step, index) => bijection(step, index, dim))
}
