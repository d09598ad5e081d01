import type { Builder, Value } from '@niceflow/graph'
import type { FlowConfig } from './config.ts'
import { mlp } from './mlp.ts'
import type { Parameter, Weights } from './parameters.ts'
import type { Halves, Partition } from './partition.ts'

/**
 * A coupling law g(b; m) on the moved half b [batch, d] (section 3.2): invertible in b for every m.
 * `m` holds one array [batch, d] per number the law takes for each dimension.
 */
type CouplingLaw = {
  readonly takes: 1 | 2
  /** Whether its first number is an exponent, bounded by tanh times a learnt scale. */
  readonly exponent: boolean
  readonly forward: (g: Builder, b: Value, m: readonly Value[]) => { readonly y: Value; readonly logDet?: Value }
  readonly inverse: (g: Builder, y: Value, m: readonly Value[]) => Value
}

const sumOfExponents = (g: Builder, exponents: Value): Value => g.ReduceSum(exponents, [1], { keepdims: 0 })

/** The laws of section 3.2.2, the factors of the last two written as exponentials, so that they are positive. */
const laws: Readonly<Record<FlowConfig['law'], CouplingLaw>> = {
  /** y = b + m; log|det| = 0 */
  additive: {
    takes: 1,
    exponent: false,
    forward: (g, b, [m]) => ({ y: g.Add(b, m!) }),
    inverse: (g, y, [m]) => g.Sub(y, m!),
  },
  /** y = b exp(m); log|det| = sum m */
  multiplicative: {
    takes: 1,
    exponent: true,
    forward: (g, b, [m]) => ({ y: g.Mul(b, g.Exp(m!)), logDet: sumOfExponents(g, m!) }),
    inverse: (g, y, [m]) => g.Mul(y, g.Exp(g.Neg(m!))),
  },
  /** y = b exp(s) + t; log|det| = sum s */
  affine: {
    takes: 2,
    exponent: true,
    forward: (g, b, [s, t]) => ({ y: g.Add(g.Mul(b, g.Exp(s!)), t!), logDet: sumOfExponents(g, s!) }),
    inverse: (g, y, [s, t]) => g.Mul(g.Sub(y, t!), g.Exp(g.Neg(s!))),
  },
}

/** One coupling layer: the passing half goes through unchanged and moves the other. */
export type Coupling = {
  readonly name: string
  readonly passes: keyof Partition
  readonly parameters: readonly Parameter[]
  /** h -> y with y_pass = h_pass, y_move = g(h_move; m(h_pass)); `logDet` [batch] in nats, absent where it is 0. */
  readonly forward: (g: Builder, h: Halves, weights: Weights) => { readonly y: Halves; readonly logDet?: Value }
  /** The exact inverse: the same m, since the passing half is there unchanged. */
  readonly inverse: (g: Builder, y: Halves, weights: Weights) => Halves
}

/** The coupling layer with the coupling function m = MLP (equations of section 3.2.1). */
export function coupling(name: string, passes: keyof Partition, partition: Partition, config: FlowConfig): Coupling {
  const moves = passes === 'first' ? 'second' : 'first'
  const moved = partition[moves].length
  const law = laws[config.law]
  const network = mlp(name, partition[passes].length, law.takes * moved, config)
  const bound = `${name}/exponent_bound`

  const m = (g: Builder, a: Value, weights: Weights): readonly Value[] => {
    const outputs = network.apply(g, a, weights)
    const [first, ...rest] =
      law.takes === 1
        ? [outputs]
        : g.Split(
            outputs,
            Array.from({ length: law.takes }, () => moved),
            { axis: 1 },
          )
    return [law.exponent ? g.Mul(g.Tanh(first!), weights(bound)) : first!, ...rest]
  }

  return {
    name,
    passes,
    parameters: law.exponent
      ? [...network.parameters, { name: bound, dims: [moved], initial: { fill: 1 }, trainable: true }]
      : network.parameters,
    forward: (g, h, weights) =>
      g.scope(name, () => {
        const { y, ...rest } = law.forward(g, h[moves], m(g, h[passes], weights))
        return { y: { ...h, [moves]: y }, ...rest }
      }),
    inverse: (g, y, weights) => g.scope(`${name}_inverse`, () => ({ ...y, [moves]: law.inverse(g, y[moves], m(g, y[passes], weights)) })),
  }
}
