import type { Builder, Value } from '@niceflow/graph'
import type { FlowConfig } from './config.ts'
import { distribution, logDensity, massesOf, quantile } from './histogram.ts'
import { mlp, type OnHidden } from './mlp.ts'
import type { Parameter, Weights } from './parameters.ts'
import type { Halves, Partition } from './partition.ts'
import { priors } from './prior.ts'
import { splined, unsplined } from './spline.ts'
import { sumOverDims } from './sum.ts'

/**
 * A coupling law g(b; m) on the moved half b [batch, d] (section 3.2): invertible in b for every m.
 * `m` holds one array for each thing that the law takes for a dimension: an exponent or a shift [batch, d], the masses of K bins [batch, d, K],
 * the numbers of a spline of K bins [batch, (3 K - 1) d].
 */
type CouplingLaw = {
  readonly takes: readonly ('exponent' | 'shift' | 'masses' | 'spline')[]
  /** What the network sees of the passing half; the half itself when left out. */
  readonly sees?: (g: Builder, a: Value) => Value
  readonly forward: (g: Builder, b: Value, m: readonly Value[]) => { readonly y: Value; readonly logDet?: Value }
  readonly inverse: (g: Builder, y: Value, m: readonly Value[]) => Value
}

/** The laws of section 3.2.2, their factors written as exponentials, so that they are positive; and one of histograms, which the paper has not. */
const laws: Readonly<Record<FlowConfig['law'], CouplingLaw>> = {
  /** y = b + m; log|det| = 0 */
  additive: {
    takes: ['shift'],
    forward: (g, b, [m]) => ({ y: g.Add(b, m!) }),
    inverse: (g, y, [m]) => g.Sub(y, m!),
  },
  /** y = b exp(m); log|det| = sum m */
  multiplicative: {
    takes: ['exponent'],
    forward: (g, b, [m]) => ({ y: g.Mul(b, g.Exp(m!)), logDet: sumOverDims(g, m!) }),
    inverse: (g, y, [m]) => g.Mul(y, g.Exp(g.Neg(m!))),
  },
  /** y = b exp(s) + t; log|det| = sum s */
  affine: {
    takes: ['exponent', 'shift'],
    forward: (g, b, [s, t]) => ({ y: g.Add(g.Mul(b, g.Exp(s!)), t!), logDet: sumOverDims(g, s!) }),
    inverse: (g, y, [s, t]) => g.Mul(g.Sub(y, t!), g.Exp(g.Neg(s!))),
  },
  /**
   * y = logit(v), v = F(u), u = sigmoid(b), F the distribution function of a histogram on [0, 1] with masses p;
   * log|det| = sum (ln F'(u) + ln(u (1 - u)) - ln(v (1 - v))). A dimension whose histogram is its conditional density comes out standard logistic.
   * Both v and 1 - v are summed, each from its end. |b| is at most 60: a value beyond is taken for that.
   */
  histogram: {
    takes: ['masses'],
    sees: (g, a) => g.Sigmoid(a),
    forward: (g, b, [p]) => {
      const u = sigmoid(g, b)
      const lnV = logOf(g, distribution(g, u, p!))
      const lnRest = logOf(g, distribution(g, sigmoid(g, g.Neg(b)), p!, 'high'))
      const logSlope = g.Sub(logDensity(g, u, p!), g.Add(lnV, lnRest))
      return { y: g.Sub(lnV, lnRest), logDet: g.Add(sumOverDims(g, logSlope), priors.logistic.logDensity(g, b)) }
    },
    inverse: (g, y, [p]) => {
      const lnU = logOf(g, quantile(g, sigmoid(g, y), p!))
      const lnRest = logOf(g, quantile(g, sigmoid(g, g.Neg(y)), p!, 'high'))
      return g.Sub(lnU, lnRest)
    },
  },
  /** y = r(b exp(s) + t), r a rational-quadratic spline; log|det| = sum (s + ln r') */
  spline: {
    takes: ['exponent', 'shift', 'spline'],
    forward: (g, b, [s, t, spline]) => {
      const { y, logSlope } = splined(g, g.Add(g.Mul(b, g.Exp(s!)), t!), spline!)
      return { y, logDet: sumOverDims(g, g.Add(s!, logSlope)) }
    },
    inverse: (g, y, [s, t, spline]) => g.Mul(g.Sub(unsplined(g, y, spline!), t!), g.Exp(g.Neg(s!))),
  },
}

/** 1 / (1 + exp(-b)) with digits where it is near 0: ONNX Runtime's own Sigmoid is good to some 1e-7 of one. Powers of 60 are finite in float32. */
const sigmoid = (g: Builder, b: Value): Value => g.Div(1, g.Add(1, g.Exp(g.Neg(g.Clip(b, -60, 60)))))

/** The least probability that counts: float32 has digits down to 2^-126. */
const least = 2 ** -120

const logOf = (g: Builder, probability: Value): Value => g.Log(g.Clip(probability, least, 1))

/** One coupling layer: the passing half goes through unchanged and moves the other. */
export type Coupling = {
  readonly name: string
  readonly partition: Partition
  readonly passes: keyof Partition
  readonly parameters: readonly Parameter[]
  /** h -> y with y_pass = h_pass, y_move = g(h_move; m(h_pass)); `logDet` [batch] in nats, absent where it is 0. */
  readonly forward: (g: Builder, h: Halves, weights: Weights, onHidden?: OnHidden) => { readonly y: Halves; readonly logDet?: Value }
  /** The exact inverse: the same m, since the passing half is there unchanged. */
  readonly inverse: (g: Builder, y: Halves, weights: Weights) => Halves
}

/** The coupling layer with the coupling function m = MLP (equations of section 3.2.1). */
export function coupling(name: string, passes: keyof Partition, partition: Partition, config: FlowConfig): Coupling {
  const moves = passes === 'first' ? 'second' : 'first'
  const moved = partition[moves].length
  const law = laws[config.law]
  /** Numbers that the network gives for a dimension. */
  const sizes = { exponent: 1, shift: 1, masses: config.bins, spline: 3 * config.bins - 1 } as const satisfies Record<
    CouplingLaw['takes'][number],
    number
  >
  const outputs = law.takes.map((kind) => sizes[kind] * moved)
  const network = mlp(
    name,
    partition[passes].length,
    outputs.reduce((sum, size) => sum + size),
    config,
  )

  /** Exponents are bounded by tanh times a learnt scale; shifts may be measured in deviations of the data. */
  const exponentBound: Parameter = { name: `${name}/exponent_bound`, dims: [moved], initial: { fill: 1 }, trainable: true }
  const shiftUnit: Parameter = {
    name: `${name}/shift_unit`,
    dims: [moved],
    initial: { after: config.preprocessing.length, from: ({ deviation }) => Float32Array.from(partition[moves], (d) => deviation[d]!) },
    trainable: false,
  }
  const inDeviations = config.shiftUnit === 'deviation'
  const read = {
    exponent: (g: Builder, raw: Value, weights: Weights): Value => g.Mul(g.Tanh(raw), weights(exponentBound.name)),
    masses: (g: Builder, raw: Value): Value => massesOf(g, g.Reshape(raw, [-1, moved, config.bins])),
    spline: (_: Builder, raw: Value): Value => raw,
    shift: (g: Builder, raw: Value, weights: Weights): Value => (inDeviations ? g.Mul(raw, weights(shiftUnit.name)) : raw),
  }

  const m = (g: Builder, a: Value, weights: Weights, onHidden?: OnHidden): readonly Value[] => {
    const raw = network.apply(g, law.sees?.(g, a) ?? a, weights, onHidden)
    const parts = law.takes.length === 1 ? [raw] : g.Split(raw, outputs, { axis: 1 })
    return law.takes.map((kind, i) => read[kind](g, parts[i]!, weights))
  }

  return {
    name,
    partition,
    passes,
    parameters: [
      ...network.parameters,
      ...(law.takes.includes('exponent') ? [exponentBound] : []),
      ...(law.takes.includes('shift') && inDeviations ? [shiftUnit] : []),
    ],
    forward: (g, h, weights, onHidden) =>
      g.scope(name, () => {
        const { y, ...rest } = law.forward(g, h[moves], m(g, h[passes], weights, onHidden))
        return { y: { ...h, [moves]: y }, ...rest }
      }),
    inverse: (g, y, weights) => g.scope(`${name}_inverse`, () => ({ ...y, [moves]: law.inverse(g, y[moves], m(g, y[passes], weights)) })),
  }
}
