import type { Builder, Value } from '@niceflow/graph'

/** How an update treats a parameter. */
export type Treatment = {
  /** Its learning rate, relative to the others'. */
  readonly rate: number
  /** Whether it shrinks by weight decay. */
  readonly decays: boolean
}

/**
 * An optimizer as graph operators: how a parameter and the arrays kept beside it move, given its gradient; element by element, so that
 * parameters that it treats alike may be updated as one array.
 */
export type Optimizer = {
  /** The arrays kept for each parameter, of its shape, zero at first. */
  readonly slots: readonly string[]
  /** The numbers that a step takes, one at least. */
  readonly scalars: readonly [string, ...string[]]
  /**
   * Those numbers for one step.
   * @param step 1 for the first step ever
   */
  readonly scalarsAt: (step: number, learningRate: number) => readonly number[]
  /** What happens to the gradients of all parameters before any is used. */
  readonly prepare?: (g: Builder, gradients: readonly Value[]) => readonly Value[]
  /** How it treats a parameter: what it treats alike may be updated as one array. */
  readonly treatment: (parameter: { readonly name: string; readonly dims: readonly number[] }) => Treatment
  /** The slot whose arrays are to be used in place of the parameters, where there is one. */
  readonly average?: string
  readonly update: (
    g: Builder,
    treatment: Treatment,
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
    treatment: ({ name, dims }) => ({ rate: rates[name] ?? 1, decays: weightDecay > 0 && dims.length > 1 }),
    update: (g, { rate, decays }, parameter, gradient, [first, second], [stepSize, offset, shrink]) => {
      const m = g.Add(g.Mul(first!, beta1), gradient)
      const v = g.Add(g.Mul(second!, beta2), g.Mul(gradient, gradient))
      const move = g.Mul(g.Div(m, g.Add(g.Sqrt(v), offset!)), rate === 1 ? stepSize! : g.Mul(stepSize!, rate))
      return { parameter: g.Sub(decays ? g.Mul(parameter, shrink!) : parameter, move), slots: [m, v] }
    },
  }
}

/**
 * Gradients scaled down to a joint Euclidean norm of at most `norm` (Pascanu et al. 2013, algorithm 1): g <- g min(1, norm / |g|).
 * Their squares are float32: a norm beyond 1e19 makes the step nothing.
 * @param norm in nats per unit of the parameters
 */
export function clipped(optimizer: Optimizer, norm: number): Optimizer {
  return {
    ...optimizer,
    prepare: (g, raw) => {
      const gradients = optimizer.prepare?.(g, raw) ?? raw
      const squares = gradients.map((gradient) => g.ReduceSum(g.Mul(gradient, gradient), undefined, { keepdims: 0 }))
      const length = g.Sqrt(squares.reduce((sum, square) => g.Add(sum, square)))
      // min(1, norm / |g|) without a division by 0.
      const factor = g.Div(norm, g.Max(length, norm))
      return gradients.map((gradient) => g.Mul(gradient, factor))
    },
  }
}

/**
 * Keeps a moving average of the parameters (Polyak and Juditsky 1992) in one more slot: average <- average + r (parameter - average),
 * r = max(1 - decay, 1 / t): the mean of all steps while these are few, then exponential.
 */
export function averaged(optimizer: Optimizer, decay: number): Optimizer {
  const base = { slots: optimizer.slots.length, scalars: optimizer.scalars.length }
  return {
    ...optimizer,
    average: 'average',
    slots: [...optimizer.slots, 'average'],
    scalars: [...optimizer.scalars, 'average_rate'],
    scalarsAt: (step, learningRate) => [...optimizer.scalarsAt(step, learningRate), Math.max(1 - decay, 1 / step)],
    update: (g, treatment, parameter, gradient, slots, scalars) => {
      const next = optimizer.update(g, treatment, parameter, gradient, slots.slice(0, base.slots), scalars.slice(0, base.scalars))
      const average = slots[base.slots]!
      return { ...next, slots: [...next.slots, g.Add(average, g.Mul(g.Sub(next.parameter, average), scalars[base.scalars]!))] }
    },
  }
}
