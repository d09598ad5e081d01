import { streamKey, uniform } from '@niceflow/core'
import { buildGraph, evaluate } from '@niceflow/graph'
import { describe, expect, it } from 'vitest'
import type { FlowConfig } from './config.ts'
import { decodingGraph } from './graphs.ts'
import { drawnParameters, float64Flow, small } from './laws.test-data.ts'
import { nice } from './nice.ts'
import { logScale } from './scaling.ts'

/** Float64 arithmetic over some hundred operations of order one, with a graph's constants (ln 2 pi, alpha) rounded to float32: 6e-8 each. */
const exact = 1e-6
/** Central differences with step 1e-5 of smooth functions (or away from the edges of bins) in float64, summed over a determinant of order 8. */
const differences = 1e-6
const step = 1e-5

const configs: readonly (readonly [string, FlowConfig])[] = [
  ['additive, logistic', small()],
  ['additive, gaussian, odd dimension', small({ dim: 7, prior: 'gaussian' })],
  ['multiplicative', small({ law: 'multiplicative' })],
  ['affine, leaky', small({ law: 'affine', activation: 'leaky-relu' })],
  ['affine, shifts in deviations of the data', small({ law: 'affine', shiftUnit: 'deviation' })],
  ['second half first', small({ start: 'second' })],
  ['halves', small({ dim: 5, partition: 'halves' })],
  ['any indices', small({ partition: [4, 1, 5], law: 'affine' })],
  ['no hidden layer', small({ hiddenLayers: 0 })],
  ['two dimensions', small({ dim: 2 })],
  [
    'logit and standardised',
    small({ law: 'affine', prior: 'gaussian', preprocessing: [{ kind: 'logit', alpha: 0.05 }, { kind: 'standardize' }] }),
  ],
  ['whitened, data on [-1, 1]', small({ dataRange: [-1, 1], preprocessing: [{ kind: 'whiten', method: 'zca', epsilon: 0 }] })],
  [
    'logit, standardised and whitened',
    small({
      law: 'affine',
      preprocessing: [{ kind: 'logit', alpha: 0.05 }, { kind: 'standardize' }, { kind: 'whiten', method: 'zca', epsilon: 0.1 }],
    }),
  ],
  ['histograms', small({ law: 'histogram', bins: 3 })],
  ['splines', small({ law: 'spline', bins: 4, prior: 'gaussian' })],
  [
    'histograms of equalised data, dyadic partitions',
    small({
      dim: 7,
      law: 'histogram',
      partition: 'dyadic',
      preprocessing: [
        { kind: 'equalize', bins: 4 },
        { kind: 'logit', alpha: 0.01 },
      ],
    }),
  ],
]

const point = (dim: number, index = 0): Float64Array => Float64Array.from(uniform(streamKey(5, 'probe', index), dim))

describe.each(configs)('NICE, %s', (_, config) => {
  const flow = float64Flow(config, drawnParameters(config))
  const x = point(config.dim)

  it('inverts: f^-1(f(x)) = x', () => {
    expect(largest(flow.inverse(flow.forward(x).z), x)).toBeLessThan(exact)
  })

  it('decodes with its weights as inputs as with them inside', () => {
    const parameters = drawnParameters(config)
    const { z } = flow.forward(x)
    const fed = evaluate(decodingGraph(nice(config)), { z: { dims: [1, config.dim], data: z }, ...parameters }).x!.data
    expect(largest(Float64Array.from(fed), flow.inverse(z))).toBe(0)
  })

  it('has the log-determinant of its numerical Jacobian', () => {
    const numerical = Math.log(Math.abs(determinant(jacobian((at) => flow.forward(at).z, x))))
    expect(Math.abs(flow.forward(x).logDet - numerical)).toBeLessThan(differences)
  })

  it('says what each constant step adds to the log-determinant', () => {
    const values = drawnParameters(config)
    for (const step of nice(config).preprocessing) {
      if (!step.constantLogDet) continue
      const g = buildGraph('step')
      const constants = new Map(step.parameters.map(({ name }) => [name, g.constant(name, values[name]!)]))
      const { y, logDet } = step.forward(g, g.input('x', 'float32', ['batch', config.dim]), (name) => constants.get(name)!)
      g.output('y', y)
      g.output('log_det', logDet)
      const found = evaluate(g.build(), { x: { dims: [1, config.dim], data: x } }).log_det!.data[0]!
      expect(Math.abs(found - step.constantLogDet(values))).toBeLessThan(exact)
    }
  })

  it('scores as the prior of z and the log-determinant say (equation 1)', () => {
    const { z, logDet, logLikelihood } = flow.forward(x)
    const density = config.prior === 'logistic' ? logisticLogDensity : gaussianLogDensity
    expect(Math.abs(logLikelihood - (z.reduce((sum, value) => sum + density(value), 0) + logDet))).toBeLessThan(exact)
  })
})

describe('the composition of couplings', () => {
  const pattern = (couplings: number): number => {
    const config = small({ dim: 4, couplings, activation: 'leaky-relu' })
    const flow = float64Flow(config, drawnParameters(config))
    return jacobian((at) => flow.forward(at).z, point(4))
      .flat()
      .filter((entry) => Math.abs(entry) < 1e-9).length
  }

  it('leaves structural zeros in the Jacobian of two and none in that of three', () => {
    expect(pattern(2)).toBe(2)
    expect(pattern(3)).toBe(0)
  })

  it('alternates which half passes, from the one that starts', () => {
    const passes = (start: FlowConfig['start']): string[] => nice(small({ start })).couplings.map((layer) => layer.passes)
    expect(passes('first')).toEqual(['first', 'second', 'first', 'second'])
    expect(passes('second')).toEqual(['second', 'first', 'second', 'first'])
  })
})

/** Section 5.1 written out: four additive couplings of even and odd components, then exp(s), by loops and nothing of ours. */
function paperByHand(config: FlowConfig, values: ReturnType<typeof drawnParameters>, x: Float64Array): number {
  const m = (layer: number, input: number[]): number[] => {
    let h = input
    for (let k = 1; k <= config.hiddenLayers + 1; k++) {
      const weight = values[`coupling_${layer}/layer_${k}/weight`]!
      const bias = values[`coupling_${layer}/layer_${k}/bias`]!.data
      const [rows, columns] = weight.dims as [number, number]
      const linear = Array.from({ length: columns }, (_, j) => {
        let sum = bias[j]!
        for (let i = 0; i < rows; i++) sum += h[i]! * weight.data[i * columns + j]!
        return sum
      })
      h = k <= config.hiddenLayers ? linear.map((value) => Math.max(value, 0)) : linear
    }
    return h
  }
  const add = (a: number[], b: number[]): number[] => a.map((value, i) => value + b[i]!)
  let even = Array.from(x).filter((_, i) => i % 2 === 0)
  let odd = Array.from(x).filter((_, i) => i % 2 === 1)
  odd = add(odd, m(1, even))
  even = add(even, m(2, odd))
  odd = add(odd, m(3, even))
  even = add(even, m(4, odd))
  const s = values['scaling/log_scale']!.data
  const h = Array.from(x, (_, i) => (i % 2 === 0 ? even[i / 2]! : odd[(i - 1) / 2]!))
  return h.reduce((sum, value, i) => sum + logisticLogDensity(Math.exp(s[i]!) * value) + s[i]!, 0)
}

describe("the paper's equations, written directly", () => {
  it.each([2, 5, 8])('agree with the graph at D = %i', (dim) => {
    const config = small({ dim, hiddenLayers: 3 })
    const values = drawnParameters(config, dim)
    const flow = float64Flow(config, values)
    for (let i = 0; i < 5; i++) {
      const x = point(dim, i)
      expect(Math.abs(flow.forward(x).logLikelihood - paperByHand(config, values, x))).toBeLessThan(exact)
    }
  })
})

describe('a density in two dimensions', () => {
  /** Squares of this side out to 24 in both directions leave out less than 1e-4 of the mass. */
  const side = 0.12
  const squares = 400
  /** One point drawn in each square: where a density jumps, errors are random and not of one sign, and sum to some thousandths. */
  const oneWithin = 0.01
  const couplings = 2
  const pointsOf = (squares: number, side: number): Float64Array =>
    Float64Array.from(
      uniform(streamKey(6, 'probe', 0), 2 * squares ** 2),
      (u, i) => ((i % 2 === 0 ? Math.floor(i / 2 / squares) : (i >> 1) % squares) - squares / 2 + u) * side,
    )
  const plane = pointsOf(squares, side)

  it.each([
    ['logistic', 'additive'],
    ['gaussian', 'affine'],
    ['logistic', 'multiplicative'],
    ['logistic', 'histogram'],
  ] as const)('integrates to one (%s prior, %s law)', (prior, law) => {
    const config = small({ dim: 2, prior, law, couplings })
    const mass = float64Flow(config, drawnParameters(config))
      .logLikelihoods(plane)
      .reduce((sum, nats) => sum + Math.exp(nats) * side ** 2, 0)
    expect(Math.abs(mass - 1)).toBeLessThan(oneWithin)
  })

  it('integrates to one over the unit square where data are equalised', () => {
    const preprocessing = [
      { kind: 'equalize', bins: 4 },
      { kind: 'logit', alpha: 1e-6 },
    ] as const
    const config = small({ dim: 2, law: 'histogram', bins: 3, partition: 'dyadic', couplings, preprocessing })
    const values = drawnParameters(config)
    // The range ends at logits of 13.8: unscaled, the prior has 1e-6 of its mass beyond.
    values[logScale]!.data.fill(0)
    // Even in logit(x), for the density has poles at the ends of the range; dx = x (1 - x) dlogit(x).
    // Where bins meet a logit, jumps are larger: squares are smaller, and those beyond 16 are left out.
    const [count, fine] = [600, 0.0533]
    const x = pointsOf(count, fine).map((logit) => 1 / (1 + Math.exp(-logit)))
    const mass = float64Flow(config, values)
      .logLikelihoods(x)
      .reduce((sum, nats, i) => {
        const [a, b] = [x[2 * i]!, x[2 * i + 1]!]
        return sum + Math.exp(nats) * a * (1 - a) * b * (1 - b) * fine ** 2
      }, 0)
    expect(Math.abs(mass - 1)).toBeLessThan(oneWithin)
  })
})

describe('histograms of equalised data', () => {
  const config = small({
    dim: 4,
    law: 'histogram',
    partition: 'dyadic',
    preprocessing: [
      { kind: 'equalize', bins: 4 },
      { kind: 'logit', alpha: 1e-6 },
    ],
  })
  const flow = float64Flow(config, drawnParameters(config))

  it('bring the ends of the data range back', () => {
    const ends = Float64Array.of(0, 1, 1, 0)
    expect(largest(flow.inverse(flow.forward(ends).z), ends)).toBeLessThan(exact)
  })

  it('give no likelihood to what is not on it', () => {
    expect(flow.forward(Float64Array.of(0.5, 1.1, 0.5, 0.5)).logLikelihood).toBeNaN()
    expect(flow.forward(Float64Array.of(0.5, 0.5, -0.1, 0.5)).logLikelihood).toBeNaN()
  })
})

describe('scaling by exp(s) before a standard prior', () => {
  it.each([
    ['logistic', (value: number, scale: number) => logisticLogDensity(value / scale) - Math.log(scale)],
    ['gaussian', (value: number, scale: number) => gaussianLogDensity(value / scale) - Math.log(scale)],
  ] as const)('equals a %s prior of scale exp(-s)', (prior, scaledDensity) => {
    const config = small({ prior })
    const values = drawnParameters(config)
    const unscaled = { ...values, 'scaling/log_scale': { ...values['scaling/log_scale']!, data: new Float32Array(config.dim) } }
    const x = point(config.dim)
    const h = float64Flow(config, unscaled).forward(x).z
    const s = values['scaling/log_scale']!.data
    const withTrainedPrior = h.reduce((sum, value, d) => sum + scaledDensity(value, Math.exp(-s[d]!)), 0)
    expect(Math.abs(float64Flow(config, values).forward(x).logLikelihood - withTrainedPrior)).toBeLessThan(exact)
  })
})

function logisticLogDensity(z: number): number {
  return -Math.log1p(Math.exp(z)) - Math.log1p(Math.exp(-z))
}

function gaussianLogDensity(z: number): number {
  return -(z * z + Math.log(2 * Math.PI)) / 2
}

function largest(a: Float64Array, b: Float64Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)
}

function jacobian(f: (x: Float64Array) => Float64Array, x: Float64Array): number[][] {
  const columns = Array.from(x, (_, j) => {
    const moved = (by: number): Float64Array => f(x.map((value, i) => (i === j ? value + by : value)))
    const [above, below] = [moved(step), moved(-step)]
    return Array.from(above, (value, i) => (value - below[i]!) / (2 * step))
  })
  return columns[0]!.map((_, i) => columns.map((column) => column[i]!))
}

/** By elimination with pivots. */
function determinant(matrix: number[][]): number {
  const a = matrix.map((row) => [...row])
  return a.reduce((product, _, k) => {
    const pivot = a.slice(k).reduce((best, row, i) => (Math.abs(row[k]!) > Math.abs(a[best]![k]!) ? k + i : best), k)
    const swapped = pivot !== k
    ;[a[k], a[pivot]] = [a[pivot]!, a[k]!]
    for (const row of a.slice(k + 1)) {
      const factor = row[k]! / a[k]![k]!
      for (let j = k; j < row.length; j++) row[j]! -= factor * a[k]![j]!
    }
    return product * a[k]![k]! * (swapped ? -1 : 1)
  }, 1)
}
