import { InvalidValueError, NiceflowError, type Tensor } from '@niceflow/core'
import { usesOf } from './check.ts'
import type { Graph, Node } from './ir.ts'
import type { Attributes, OpType } from './operators.ts'

/**
 * Computes an operator's outputs. Each value that it returns is a handle of its own, which the interpreter releases once: a kernel that gives
 * an input back unchanged returns a second handle of it (a refcounted copy), unless the table's `release` does nothing.
 * @param inputs in the operator's order, undefined where one was left out
 */
export type Kernel<T, Op extends OpType> = (inputs: readonly (T | undefined)[], attributes: Attributes<Op>, run: RunBody<T>) => readonly T[]

/** Runs the body of a Loop or Scan, which sees the values around it by name. The inputs stay the kernel's; the outputs become the kernel's. */
export type RunBody<T> = (body: Graph, inputs: readonly T[]) => readonly T[]

/** What it takes to run any graph on values of type T. */
export type KernelTable<T> = {
  /** The value of a constant. It stays the table's, which may hand out the same one every time (see `oncePerTensor`). */
  readonly constant: (tensor: Tensor) => T
  /** Frees a value that a kernel made and that nothing will use again. */
  readonly release: (value: T) => void
  readonly kernels: { readonly [Op in OpType]: Kernel<T, Op> }
}

/** A kernel's error, with the node and graph that it happened in. */
export class KernelError extends NiceflowError {
  override readonly name = 'KernelError'
}

/** Converts each tensor once and remembers what became of it for as long as the tensor lives. */
export function oncePerTensor<T>(convert: (tensor: Tensor) => T): (tensor: Tensor) => T {
  const known = new WeakMap<Tensor, { readonly value: T }>()
  return (tensor) => {
    const kept = known.get(tensor) ?? { value: convert(tensor) }
    known.set(tensor, kept)
    return kept.value
  }
}

/**
 * Runs a graph, node by node, on the values of a kernel table. What nodes make is released after its last use; feeds stay the caller's, and
 * the outputs become the caller's, each to be released by itself even where two have one source.
 * @param feeds a value for each of the graph's inputs, by name
 * @returns the graph's outputs, by name
 * @throws InvalidValueError for a missing or unknown feed; KernelError naming the node that failed
 */
export function interpret<T>(graph: Graph, feeds: Readonly<Record<string, T>>, table: KernelTable<T>): Record<string, T> {
  const names = graph.inputs.map(({ name }) => name)
  const unknown = Object.keys(feeds).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw new InvalidValueError({ what: `feeds of graph "${graph.name}"`, expected: `inputs ${names.join(', ')}`, got: `"${unknown}"` })
  }
  const inputs = names.map((name) => {
    const value = Object.hasOwn(feeds, name) ? feeds[name] : undefined
    if (value === undefined)
      throw new InvalidValueError({ what: `feeds of graph "${graph.name}"`, expected: `a value for "${name}"`, got: 'none' })
    return value
  })
  const outputs = runGraph(graph, inputs, table, () => undefined)
  return Object.fromEntries(graph.outputs.map(({ name }, i) => [name, outputs[i]!]))
}

type Lookup<T> = (name: string) => T | undefined

function runGraph<T>(graph: Graph, inputs: readonly T[], table: KernelTable<T>, outer: Lookup<T>): readonly T[] {
  const lent = new Map(graph.inputs.map(({ name }, i) => [name, inputs[i]!]))
  const made = new Map<string, T>()
  const constant: Lookup<T> = (name) => (Object.hasOwn(graph.initializers, name) ? table.constant(graph.initializers[name]!) : undefined)
  const find: Lookup<T> = (name) => made.get(name) ?? lent.get(name) ?? constant(name) ?? outer(name)
  const run: RunBody<T> = (body, bodyInputs) => runGraph(body, bodyInputs, table, find)

  try {
    const done = lastUses(graph)
    graph.nodes.forEach((node, i) => {
      const results = apply(node, node.inputs.map(find), table, run, graph.name)
      node.outputs.forEach((name, output) => {
        made.set(name, results[output]!)
      })
      for (const name of done[i]!) {
        table.release(made.get(name)!)
        made.delete(name)
      }
    })
    // An output may be a feed, a constant or a value from outside, which belong to others: each leaves as a handle of its own.
    return graph.outputs.map(({ name }) => table.kernels.Identity([find(name)], {}, run)[0]!)
  } finally {
    for (const value of made.values()) table.release(value)
  }
}

function apply<T, Op extends OpType>(
  node: Node<Op>,
  inputs: readonly (T | undefined)[],
  { kernels }: KernelTable<T>,
  run: RunBody<T>,
  graph: string,
): readonly T[] {
  try {
    return kernels[node.op](inputs, node.attributes, run)
  } catch (cause) {
    throw new KernelError(`graph "${graph}": ${node.op} "${node.name}": ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

const lastUsesOf = new WeakMap<Graph, readonly (readonly string[])[]>()

/** For each node, the values made in this graph that nothing needs once it has run. */
function lastUses(graph: Graph): readonly (readonly string[])[] {
  const known = lastUsesOf.get(graph)
  if (known) return known
  const own = new Set(graph.nodes.flatMap(({ outputs }) => outputs))
  for (const { name } of graph.outputs) own.delete(name)
  const done = graph.nodes
    .toReversed()
    .map((node) => [...node.outputs, ...usesOf(node)].filter((name) => own.delete(name)))
    .toReversed()
  lastUsesOf.set(graph, done)
  return done
}
