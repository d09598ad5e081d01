import type { Builder, Value } from '@niceflow/graph'
import type { FlowConfig } from './config.ts'
import type { Initial, Parameter, Weights } from './parameters.ts'

/** A deep rectified network with linear output units, the coupling function m of the paper (section 5.1). */
export type Mlp = {
  readonly parameters: readonly Parameter[]
  /** `onHidden` changes the units of each hidden layer on their way. */
  readonly apply: (g: Builder, a: Value, weights: Weights, onHidden?: OnHidden) => Value
}

/** What training does to hidden units [batch, hiddenDim]; dropout, say. */
export type OnHidden = (g: Builder, units: Value) => Value

type Architecture = Pick<FlowConfig, 'hiddenLayers' | 'hiddenDim' | 'activation' | 'leak'>

/**
 * How the networks of a flow may start. `identity`: their last layers at zero, so that the flow starts as its scaling alone. `masked`: as
 * PyTorch starts the full-width linear layers of its masked form, the last too.
 */
export const couplingInits = ['identity', 'masked'] as const
export type CouplingInit = (typeof couplingInits)[number]

/**
 * The starts of a network by name, where they are to be other than its own.
 * @param parameters a coupling's, its network's first
 * @param width D, which the first layer of a masked network takes: PyTorch's default, uniform on +-1/sqrt(in), counts what the mask silences
 */
export function networkStarts(parameters: readonly Parameter[], how: CouplingInit, { hiddenLayers }: Architecture, width: number): Starts {
  if (how === 'identity') return {}
  const layers = Array.from({ length: hiddenLayers + 1 }, (_, i) => parameters.slice(2 * i, 2 * i + 2))
  return Object.fromEntries(
    layers.flatMap((layer, i) => {
      const initial = { uniform: 1 / Math.sqrt(i === 0 ? width : layer[0]!.dims[0]!) }
      return layer.map(({ name }) => [name, initial])
    }),
  )
}

type Starts = Readonly<Record<string, Initial>>

/**
 * m: [batch, inputs] -> [batch, outputs]. Weights are [in, out]: layer(h) = activation(h W + b).
 * Hidden layers start uniform on +-1/sqrt(in), PyTorch's default for linear layers; the last starts at zero, so that a flow starts as its
 * scaling alone.
 */
export function mlp(name: string, inputs: number, outputs: number, { hiddenLayers, hiddenDim, activation, leak }: Architecture): Mlp {
  const sizes = [inputs, ...Array.from({ length: hiddenLayers }, () => hiddenDim), outputs]
  const layers = sizes
    .slice(1)
    .map((size, i) => ({ weight: `${name}/layer_${i + 1}/weight`, bias: `${name}/layer_${i + 1}/bias`, dims: [sizes[i]!, size] }))
  return {
    parameters: layers.flatMap(({ weight, bias, dims }, i) => {
      const initial = i === layers.length - 1 ? { fill: 0 } : { uniform: 1 / Math.sqrt(dims[0]!) }
      return [
        { name: weight, dims, initial, trainable: true },
        { name: bias, dims: [dims[1]!], initial, trainable: true },
      ]
    }),
    apply: (g, a, weights, onHidden = (_, units) => units) =>
      layers.reduce((h, { weight, bias }, i) => {
        const linear = g.Gemm(h, weights(weight), weights(bias))
        if (i === layers.length - 1) return linear
        return onHidden(g, activation === 'relu' ? g.Relu(linear) : g.LeakyRelu(linear, { alpha: leak }))
      }, a),
  }
}
