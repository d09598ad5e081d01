import type { Builder, Value } from '@niceflow/graph'

/** An optimizer as graph operators: how a parameter and the arrays kept beside it move, given its gradient. */
export type Optimizer = {
  /** The arrays kept for each parameter, of its shape, zero at first. */
  readonly slots: readonly string[]
  /** The numbers that a step takes. */
  readonly scalars: readonly string[]
  /**
   * Those numbers for one step.
   * @param step 1 for the first step ever
   */
  readonly scalarsAt: (step: number, learningRate: number) => readonly number[]
  readonly update: (
    g: Builder,
    name: string,
    parameter: Value,
    gradient: Value,
    slots: readonly Value[],
    scalars: readonly Value[],
  ) => { readonly parameter: Value; readonly slots: readonly Value[] }
}

export type AdamConfig = {
  /** Decay of the mean of gradients: the paper's momentum. */
  readonly beta1: number
  /** Decay of the mean of squared gradients. The paper's 0.01 is the early 1 - beta form: 0.99. */
  readonly beta2: number
  readonly epsilon: number
  /** Decoupled: matrices shrink by learning rate times this at each step. */
  readonly weightDecay: number
  /** Learning rates of single parameters by name, relative to the others' (their decay has none). @default 1 for each */
  readonly rates?: Readonly<Record<string, number>>
}

/**
 * Adam with bias correction (Kingma and Ba 2015, algorithm 1, in the form at the end of its section 2):
 *   m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,  w <- w - a m / (sqrt(v) + e),
 *   a = lr sqrt(1 - beta2^t) / (1 - beta1^t),  e = epsilon sqrt(1 - beta2^t).
 * The slots hold the sums M = m / (1 - beta1) and V = v / (1 - beta2), which take a pass over memory less each; a and e absorb the factors.
 */
export function adam({ beta1, beta2, epsilon, weightDecay, rates = {} }: AdamConfig): Optimizer {
  return {
    slots: ['first_moment', 'second_moment'],
    scalars: weightDecay > 0 ? ['step_size', 'epsilon', 'shrink'] : ['step_size', 'epsilon'],
    scalarsAt: (step, learningRate) => {
      const correction1 = (1 - beta1 ** step) / (1 - beta1)
      const correction2 = Math.sqrt((1 - beta2 ** step) / (1 - beta2))
      const numbers = [(learningRate * correction2) / correction1, epsilon * correction2]
      return weightDecay > 0 ? [...numbers, 1 - learningRate * weightDecay] : numbers
    },
    update: (g, name, parameter, gradient, [first, second], [stepSize, offset, shrink]) => {
      const m = g.Add(g.Mul(first!, beta1), gradient)
      const v = g.Add(g.Mul(second!, beta2), g.Mul(gradient, gradient))
      const rate = rates[name] ?? 1
      const move = g.Mul(g.Div(m, g.Add(g.Sqrt(v), offset!)), rate === 1 ? stepSize! : g.Mul(stepSize!, rate))
      const decays = weightDecay > 0 && parameter.dims.length > 1
      return { parameter: g.Sub(decays ? g.Mul(parameter, shrink!) : parameter, move), slots: [m, v] }
    },
  }
}
