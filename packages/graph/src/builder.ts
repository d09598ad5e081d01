import { type DataType, type Tensor, tensor } from '@niceflow/core'
import { bodyOf, freeNames, usesOf } from './check.ts'
import { DuplicateNameError, GraphError } from './errors.ts'
import type { Graph, Node, Shape, Value } from './ir.ts'
import { type Attributes, arity, type Operand, type Operators, type OpType } from './operators.ts'
import { Scope } from './scope.ts'

type None = Readonly<Record<never, never>>
type Arguments<Op extends OpType> =
  None extends Attributes<Op>
    ? [...inputs: Operators[Op]['inputs'], attributes?: Attributes<Op>]
    : [...inputs: Operators[Op]['inputs'], attributes: Attributes<Op>]

/** One method per operator, named as in ONNX: its inputs, then its attributes. */
type Emitters = { readonly [Op in Exclude<OpType, 'Loop' | 'Scan' | 'Split'>]: (...args: Arguments<Op>) => Value } & {
  readonly Split: (...args: Arguments<'Split'>) => readonly Value[]
}

type BodyResult = { readonly carried: readonly Value[]; readonly stacked?: readonly Value[] }

/** Adds operators to a graph. Every shape is checked as its node is added, with the node's name and the shapes in the message. */
export type Builder = Emitters & {
  readonly input: (name: string, dtype: DataType, dims: Shape) => Value
  /** A named constant: a weight, a table of indices. */
  readonly constant: (name: string, contents: Tensor) => Value
  /** A small constant without a name of its own, one for all that are equal. */
  readonly literal: (contents: Tensor) => Value
  /** Makes a value an output of the graph under this name. */
  readonly output: (name: string, value: Value) => void
  /** Runs `body` with the names of its nodes under `name/`. */
  readonly scope: <T>(name: string, body: () => T) => T
  /** `steps` iterations of `body`, which carries values along and stacks others: ONNX's Loop. */
  readonly Loop: (loop: {
    readonly steps: Operand
    readonly carried: readonly Value[]
    readonly body: (g: Builder, iteration: Value, carried: readonly Value[]) => BodyResult
  }) => Required<BodyResult>
  /** `body` over the rows (axis 0) of `scanned`, which carries values along and stacks others: ONNX's Scan. */
  readonly Scan: (scan: {
    readonly carried?: readonly Value[]
    readonly scanned: readonly Value[]
    readonly body: (g: Builder, carried: readonly Value[], rows: readonly Value[]) => BodyResult
  }) => Required<BodyResult>
  /** The shape of a value as int64, constant where at most one dimension is dynamic (written -1, as Reshape reads it). */
  readonly shapeOf: (value: Value) => Value
  /** The nodes so far, in order, and a value by name. */
  readonly nodes: readonly Node[]
  readonly find: (name: string) => Value
  /** The integers that a value holds, where they are known when the graph is built: a constant's, or what `Shape` returns. */
  readonly dimensions: (name: string) => Shape | undefined
  /** The finished graph, without what no output needs. */
  readonly build: () => Graph
}

/** Names across a graph and its bodies: how often each was asked for, and those that stand inside a body. */
type Names = { readonly taken: Map<string, number>; readonly inner: Set<string> }

/** A builder of an empty graph. */
export function buildGraph(name: string): Builder {
  return createBuilder(name, undefined, { taken: new Map(), inner: new Set() })
}

/** A builder that goes on from a finished graph: its inputs, outputs, weights and nodes are there already. */
export function extendGraph(graph: Graph): Builder {
  const builder = createBuilder(graph.name, undefined, { taken: new Map(), inner: new Set() }, graph)
  for (const { name } of graph.outputs) builder.output(name, builder.find(name))
  return builder
}

function createBuilder(graphName: string, outer: Scope | undefined, names: Names, from?: Graph): Builder {
  const scope = new Scope(graphName, outer)
  const inputs: Value[] = []
  const outputs = new Map<string, Value>()
  const initializers = new Map<string, Tensor>()
  const nodes: Node[] = []
  const scalars = new Map<string, Value>()
  let prefix = ''

  const unique = (hint: string): string => {
    let count = names.taken.get(hint) ?? 0
    while (count > 0 && names.taken.has(`${hint}_${count}`)) count++
    names.taken.set(hint, count + 1)
    if (count === 0) return hint
    names.taken.set(`${hint}_${count}`, 1)
    return `${hint}_${count}`
  }

  /** ONNX forbids a body to use a name of the graphs around it, whichever came first. */
  const claim = (name: string): void => {
    if (outer) names.inner.add(name)
    else if (names.inner.has(name)) throw new DuplicateNameError(graphName, name)
    names.taken.set(name, names.taken.get(name) ?? 1)
  }

  const define = (name: string, contents: Tensor): Value => {
    claim(name)
    initializers.set(name, contents)
    return scope.define({ name, dtype: contents.dtype, dims: contents.dims }, { constant: contents })
  }

  const literal = (contents: Tensor): Value => {
    const key = `${contents.dtype}[${contents.dims}]:${contents.data.join()}`
    const known = scalars.get(key) ?? define(unique(`${prefix}constant`), contents)
    scalars.set(key, known)
    return known
  }

  const lift = (operand: Operand | undefined, dtype: DataType): Value | undefined => {
    if (operand === undefined) return undefined
    if (typeof operand === 'number') return literal(scalar(dtype, operand))
    return isValue(operand) ? operand : literal(tensor('int64', [operand.length], BigInt64Array.from(operand, BigInt)))
  }

  const add = (op: OpType, operands: readonly (Operand | undefined)[], attributes: object, outputCount: number): readonly Value[] => {
    // The last value decides the type of numbers: Where's first is its condition.
    const dtype = operands.findLast(isValue)?.dtype ?? 'float32'
    const name = unique(`${prefix}${op}`)
    // Gather's second operand is an index, whatever it indexes.
    const values = operands.map((operand, at) => lift(operand, op === 'Gather' && at === 1 ? 'int64' : dtype)?.name ?? '')
    const results = outputCount === 1 ? [name] : Array.from({ length: outputCount }, (_, i) => unique(`${name}:${i}`))
    const node = { op, name, inputs: values, outputs: results, attributes } as Node
    const made = scope.add(node)
    for (const result of results) claim(result)
    nodes.push(node)
    return made
  }

  const emit =
    (op: OpType) =>
    (...args: readonly (Operand | object | undefined)[]): Value | readonly Value[] => {
      const last = args.at(-1)
      const withAttributes = isAttributes(last)
      const operands = (withAttributes ? args.slice(0, -1) : args) as readonly (Operand | undefined)[]
      const made = add(op, operands, withAttributes ? last : {}, op === 'Split' ? (operands[1] as readonly number[]).length : 1)
      return op === 'Split' ? made : made[0]!
    }

  const inScope = <T>(name: string, body: () => T): T => {
    const kept = prefix
    prefix = `${prefix}${name}/`
    try {
      return body()
    } finally {
      prefix = kept
    }
  }

  const finish = (
    body: Builder,
    { carried, stacked = [] }: BodyResult,
    leading: readonly Value[] = [],
  ): { graph: Graph; split: (values: readonly Value[]) => Required<BodyResult> } => {
    for (const value of [...leading, ...carried, ...stacked]) body.output(unique(`${prefix}result`), value)
    return { graph: body.build(), split: (values) => ({ carried: values.slice(0, carried.length), stacked: values.slice(carried.length) }) }
  }

  const builder = {
    ...(Object.fromEntries((Object.keys(arity) as OpType[]).map((op) => [op, emit(op)])) as unknown as Emitters),
    input: (name: string, dtype: DataType, dims: Shape): Value => {
      claim(name)
      const value = scope.define({ name, dtype, dims })
      inputs.push(value)
      return value
    },
    constant: define,
    literal,
    output: (name: string, value: Value): void => {
      if (outputs.has(name)) throw new GraphError(`graph "${graphName}": output "${name}" is given twice`)
      claim(name)
      outputs.set(name, value)
    },
    scope: inScope,
    Loop: ({ steps, carried, body }: Parameters<Builder['Loop']>[0]): Required<BodyResult> => {
      const inner = createBuilder(unique(`${prefix}body`), scope, names)
      const iteration = inner.input(unique(`${prefix}iteration`), 'int64', [])
      const condition = inner.input(unique(`${prefix}condition`), 'bool', [])
      const result = body(
        inner,
        iteration,
        carried.map((value) => inner.input(unique(`${prefix}carried`), value.dtype, value.dims)),
      )
      const { graph, split } = finish(inner, result, [condition])
      const trips = typeof steps === 'number' ? literal(scalar('int64', steps)) : steps
      return split(add('Loop', [trips, literal(scalar('bool', 1)), ...carried], { body: graph }, graph.outputs.length - 1))
    },
    Scan: ({ carried = [], scanned, body }: Parameters<Builder['Scan']>[0]): Required<BodyResult> => {
      const inner = createBuilder(unique(`${prefix}body`), scope, names)
      const own = carried.map((value) => inner.input(unique(`${prefix}carried`), value.dtype, value.dims))
      const rows = scanned.map((value) => inner.input(unique(`${prefix}row`), value.dtype, value.dims.slice(1)))
      const { graph, split } = finish(inner, body(inner, own, rows))
      return split(add('Scan', [...carried, ...scanned], { body: graph, num_scan_inputs: scanned.length }, graph.outputs.length))
    },
    shapeOf: (value: Value): Value => {
      const dynamic = value.dims.filter((dim) => typeof dim === 'string').length
      return dynamic > 1
        ? builder.Shape(value)
        : lift(
            value.dims.map((dim) => (typeof dim === 'string' ? -1 : dim)),
            'int64',
          )!
    },
    nodes,
    find: (name: string): Value => {
      const value = scope.find(name)
      if (!value) throw new GraphError(`graph "${graphName}": unknown value "${name}"`)
      return value
    },
    dimensions: (name: string): Shape | undefined => scope.dimensions(name),
    build: (): Graph => assemble(),
  }

  /** An output carries its value's own name changed to the output's, unless that value is an input, a constant, from outside, or another output. */
  const assemble = (): Graph => {
    const renamed = new Map<string, string>()
    const results = [...outputs].map(([name, value]) => {
      const own = nodes.some((node) => node.outputs.includes(value.name))
      const source = own && !renamed.has(value.name) ? value : builder.Identity(value)
      if (name !== source.name && scope.find(name))
        throw new GraphError(`graph "${graphName}": the output name "${name}" is taken by another value`)
      renamed.set(source.name, name)
      return { ...value, name }
    })
    const rename = (name: string): string => renamed.get(name) ?? name
    const kept = reachable(nodes, [...renamed.keys()])
    const used = new Set(kept.flatMap(usesOf))
    const finished = kept.map(
      (node) =>
        ({ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename), attributes: renameBody(node, rename) }) as Node,
    )
    return {
      name: graphName,
      inputs: [...inputs],
      outputs: results,
      initializers: Object.fromEntries([...initializers].filter(([name]) => used.has(name))),
      nodes: finished,
    }
  }

  if (from) {
    for (const { name, dtype, dims } of from.inputs) builder.input(name, dtype, dims)
    for (const [name, contents] of Object.entries(from.initializers)) define(name, contents)
    for (const node of from.nodes) {
      reserve(node, names)
      scope.add(node)
      nodes.push(node)
    }
  }
  return builder as Builder
}

/** Marks the names of a finished node, and of all that its body holds, as taken. */
function reserve(node: Node, names: Names): void {
  for (const name of [node.name, ...node.outputs]) names.taken.set(name, names.taken.get(name) ?? 1)
  const body = bodyOf(node)
  if (!body) return
  for (const name of [
    ...body.inputs.map((input) => input.name),
    ...Object.keys(body.initializers),
    ...body.nodes.flatMap(({ outputs }) => outputs),
  ]) {
    names.taken.set(name, names.taken.get(name) ?? 1)
    names.inner.add(name)
  }
  for (const inner of body.nodes) reserve(inner, names)
}

function isValue(operand: unknown): operand is Value {
  return typeof operand === 'object' && operand !== null && 'dtype' in operand && 'name' in operand
}

function isAttributes(argument: unknown): argument is object {
  return typeof argument === 'object' && argument !== null && !Array.isArray(argument) && !isValue(argument)
}

function scalar(dtype: DataType, value: number): Tensor {
  const contents = tensor(dtype, [])
  contents.data[0] = dtype === 'int64' ? BigInt(value) : value
  return contents
}

/** The nodes that the named values need, in order. */
function reachable(nodes: readonly Node[], names: readonly string[]): readonly Node[] {
  const needed = new Set(names)
  const kept: Node[] = []
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((name) => needed.has(name))) continue
    kept.push(node)
    for (const name of usesOf(node)) needed.add(name)
  }
  return kept.reverse()
}

/** A body may use a renamed value of the graph around it by its old name. */
function renameBody(node: Node, rename: (name: string) => string): Node['attributes'] {
  if (!('body' in node.attributes)) return node.attributes
  const { body } = node.attributes
  if (freeNames(body).every((name) => rename(name) === name)) return node.attributes
  const nodes = body.nodes.map((inner) => ({ ...inner, inputs: inner.inputs.map(rename), attributes: renameBody(inner, rename) }) as Node)
  const outputs = body.outputs.map((output) => ({ ...output, name: rename(output.name) }))
  return { ...node.attributes, body: { ...body, nodes, outputs } }
}
