import { type Builder, buildGraph, differentiate, type Graph, type Value } from '@niceflow/graph'
import { dropout, dropoutPorts } from './dropout.ts'
import { ports } from './graphs.ts'
import { type Group, isTrainable, joinMembers, layoutOf, membersOf } from './groups.ts'
import type { Flow } from './nice.ts'
import type { Optimizer } from './optimizer.ts'

/** The name under which the training graph returns an array of its state. */
export const nextName = (name: string): string => `next/${name}`

/** The parameters that a training state stands for, to validate and to keep: its own, or their moving average. */
export function parametersOf<T>(
  flow: Flow,
  optimizer: Optimizer,
  arrays: Readonly<Record<string, T>>,
  constants: Readonly<Record<string, T>>,
): Readonly<Record<string, T>> {
  const parameters = layoutOf(flow, optimizer).parameters(arrays, constants)
  return Object.fromEntries(flow.parameters.map(({ name }) => [name, parameters[name]!]))
}

export type TrainingGraphOptions = {
  /** Probability with which a hidden unit is dropped; the graph then takes `dropoutDraws` too. @default 0 */
  readonly dropout?: number
  /**
   * Steps in a turn of the Loop. Within a turn a runtime may overwrite the state where it is; each turn leaves it in new memory, which costs
   * traffic. @default 1
   */
  readonly unrolled?: number
  /** Holds parameters that are treated alike as one array (`groupsOf`). @default false */
  readonly joined?: boolean
}

/**
 * K steps of maximum likelihood as one graph (section 2: the criterion is the mean log-likelihood).
 *
 * Inputs: `x` [steps, batch, dim], each of the optimizer's scalars [steps], the constants and the state by name; with dropout also
 * `dropout_examples` [steps, layers, batch] and `dropout_units` [steps, layers, hiddenDim], layers those of all couplings. Outputs: the state's
 * arrays as `next/<name>`, and `log_likelihood` [steps], the mean over each step's batch before its update, with units dropped, in nats.
 *
 * The steps are the body of a Loop: the state stays where the device has it, and moves in and out once. Where they are unrolled, a second Loop
 * takes those that are left over; the numbers are the same. Joined, the state is that of `groupsOf`, and the numbers are the same, too.
 */
export function trainingGraph(flow: Flow, optimizer: Optimizer, options: TrainingGraphOptions = {}): Graph {
  const { dropout: rate = 0, unrolled = 1 } = options
  const g = buildGraph('training')
  const given = stepInputs(g, flow, optimizer, rate, ['steps'])
  const { groups, arrays } = layoutOf(flow, optimizer, options.joined)
  // No arithmetic of integers where one step is a turn: beside CUDA, ONNX Runtime would do it on the CPU.
  const steps = g.Size(given.scalars[0]!)
  const turns = unrolled === 1 ? steps : g.Div(steps, unrolled)
  const initial = arrays.map(({ name, dims }) => g.input(name, 'float32', dims))
  /** Turns of `each` steps; where they go on with others, the number of their first in the run. */
  const loop = (count: Value, each: number, start: readonly Value[], first?: Value): Steps => {
    const { carried, stacked } = g.Loop({
      steps: count,
      carried: start,
      body: (body, turn, held) => {
        const begun = each === 1 ? turn : body.Mul(turn, each)
        let state = held
        const logLikelihoods: Value[] = []
        for (let k = 0; k < each; k++) {
          const own = k === 0 ? begun : body.Add(begun, k)
          const number = first ? body.Add(first, own) : own
          const at = (rows: Value): Value => body.Gather(rows, number)
          const step = { ...given, x: at(given.x), scalars: given.scalars.map(at), draws: given.draws.map(at), state }
          const { next, logLikelihood } = trainingStep(body, flow, optimizer, groups, rate, step)
          state = next
          logLikelihoods.push(body.Unsqueeze(logLikelihood, [0]))
        }
        return { carried: state, stacked: [body.Concat(...logLikelihoods, { axis: 0 })] }
      },
    })
    return { next: carried, logLikelihood: g.Reshape(stacked[0]!, [-1]) }
  }
  const most = loop(turns, unrolled, initial)
  const done = unrolled === 1 ? undefined : g.Mul(turns, unrolled)
  const rest = done && loop(g.Sub(steps, done), 1, most.next, done)
  for (const [i, value] of (rest ?? most).next.entries()) g.output(nextName(arrays[i]!.name), value)
  const logLikelihoods = [most, rest].flatMap((steps) => steps?.logLikelihood ?? [])
  g.output(ports.logLikelihood, g.Concat(...logLikelihoods, { axis: 0 }))
  return g.build()
}

/**
 * One step of the training graph by itself: the same inputs without the axis of steps; `log_likelihood` is [].
 * For devices without a Loop, which keep the state in their memory from run to run.
 */
export function trainingStepGraph(flow: Flow, optimizer: Optimizer, options: Omit<TrainingGraphOptions, 'unrolled'> = {}): Graph {
  const { dropout: rate = 0 } = options
  const g = buildGraph('training_step')
  const given = stepInputs(g, flow, optimizer, rate, [])
  const { groups, arrays } = layoutOf(flow, optimizer, options.joined)
  const state = arrays.map(({ name, dims }) => g.input(name, 'float32', dims))
  const { next, logLikelihood } = trainingStep(g, flow, optimizer, groups, rate, { ...given, state })
  next.forEach((value, i) => {
    g.output(nextName(arrays[i]!.name), value)
  })
  g.output(ports.logLikelihood, logLikelihood)
  return g.build()
}

/** What a step takes beside the state, for as many steps as the leading axes say. */
function stepInputs(g: Builder, flow: Flow, optimizer: Optimizer, dropout: number, steps: readonly string[]): Omit<Step, 'state'> {
  const { dim, couplings, hiddenLayers, hiddenDim } = flow.config
  const x = g.input(ports.data, 'float32', [...steps, 'batch', dim])
  const scalars = optimizer.scalars.map((name) => g.input(name, 'float32', steps))
  const draws = (dropout > 0 ? [[dropoutPorts.examples, 'batch'] as const, [dropoutPorts.units, hiddenDim] as const] : []).map(
    ([name, size]) => g.input(name, 'float32', [...steps, couplings * hiddenLayers, size]),
  )
  const constants = new Map(
    flow.parameters.filter((parameter) => !parameter.trainable).map(({ name, dims }) => [name, g.input(name, 'float32', dims)]),
  )
  return { x, scalars, draws, constants }
}

type Step = {
  /** [batch, dim] */
  readonly x: Value
  readonly scalars: readonly Value[]
  /** Dropout's, of examples and of units; none without it. */
  readonly draws: readonly Value[]
  readonly constants: ReadonlyMap<string, Value>
  readonly state: readonly Value[]
}

/** What steps leave: the state's arrays, and the mean log-likelihood of each. */
type Steps = { readonly next: readonly Value[]; readonly logLikelihood: Value }

/** One step: forward, gradient of the mean log-likelihood, update. */
function trainingStep(
  g: Builder,
  flow: Flow,
  optimizer: Optimizer,
  groups: readonly Group[],
  rate: number,
  { x, scalars, draws: [examples, units], constants, state }: Step,
): Steps {
  const onHidden = examples && units && dropout(rate, examples, units)
  const parameters = membersOf(g, groups, state)
  const values = new Map([...constants, ...parameters])
  const logLikelihood = g.ReduceMean(flow.logLikelihood(g, x, (name) => values.get(name)!, onHidden).logLikelihood, { keepdims: 0 })
  const names = flow.parameters.filter(isTrainable).map(({ name }) => name)
  const raw = differentiate(
    g,
    g.Neg(logLikelihood),
    names.map((name) => parameters.get(name)!),
  )
  const prepared = optimizer.prepare?.(g, raw) ?? raw
  const gradients = joinMembers(g, groups, new Map(names.map((name, i) => [name, prepared[i]!])))
  const updates = groups.map(({ name, treatment }, i) => {
    const slots = optimizer.slots.map((_, slot) => state[(slot + 1) * groups.length + i]!)
    return g.scope(`${name}/update`, () => optimizer.update(g, treatment, state[i]!, gradients[i]!, slots, scalars))
  })
  return {
    next: [...updates.map(({ parameter }) => parameter), ...optimizer.slots.flatMap((_, slot) => updates.map(({ slots }) => slots[slot]!))],
    logLikelihood,
  }
}
