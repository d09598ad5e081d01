import { fillUniform, streamKey, type Tensor, tensor } from '@niceflow/core'
import type { Builder, Value } from '@niceflow/graph'
import type { FlowConfig } from './config.ts'
import type { OnHidden } from './mlp.ts'

/**
 * Dropout of hidden units (Srivastava et al. 2014): a unit is 0 with probability `rate`, else divided by 1 - rate, for each example afresh.
 *
 * Drawing a number for every unit of every example would cost as much as the step. The host draws one number for each example and one for
 * each unit of a layer, both uniform; their sum without its whole part is uniform again, and any two of them are independent. (Any three are not: units
 * whose draws are near one another are dropped together in all examples of a step.) Draws go by step and place in the batch.
 */
export const dropoutPorts = { examples: 'dropout_examples', units: 'dropout_units' } as const

type Hidden = Pick<FlowConfig, 'couplings' | 'hiddenLayers' | 'hiddenDim'>

/** The draws of some steps: one array [steps, hidden layers of all couplings, batch or hiddenDim] for each port. */
export function dropoutDraws(
  { couplings, hiddenLayers, hiddenDim }: Hidden,
  { seed, step, steps, batch }: { readonly seed: number; readonly step: number; readonly steps: number; readonly batch: number },
): Readonly<Record<string, Tensor<'float32'>>> {
  const layers = couplings * hiddenLayers
  const draws = (draw: number, size: number): Tensor<'float32'> => {
    const numbers = tensor('float32', [steps, layers, size])
    const perStep = layers * size
    for (let k = 0; k < steps; k++) fillUniform(streamKey(seed, 'dropout', step + k, draw), numbers.data, k * perStep, (k + 1) * perStep)
    return numbers
  }
  return { [dropoutPorts.examples]: draws(0, batch), [dropoutPorts.units]: draws(1, hiddenDim) }
}

/**
 * Drops units of one hidden layer after another.
 * @param examples, units the draws of one step, [layers, batch] and [layers, hiddenDim]
 */
export function dropout(rate: number, examples: Value, units: Value): OnHidden {
  let layer = 0
  return (g: Builder, h: Value): Value => {
    const at = layer++
    const sum = g.Add(g.Unsqueeze(g.Gather(examples, at), [1]), g.Gather(units, at))
    const uniform = g.Sub(sum, g.Floor(sum))
    return g.Mul(h, g.Mul(g.Cast(g.Less(rate, uniform), { to: 'float32' }), 1 / (1 - rate)))
  }
}
