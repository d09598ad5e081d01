import { sameShape } from './broadcast.ts'
import { type Builder, extendGraph } from './builder.ts'
import { bodyOf, freeNames } from './check.ts'
import { GraphError } from './errors.ts'
import { fillLike, type GradientContext, type GradientRule, gradientRules } from './gradient-rules.ts'
import { formatShape, type Graph, type Node, type Value } from './ir.ts'

/** What is differentiated, and by what. */
export type Derivative = {
  /** The name of a float value with one element. */
  readonly of: string
  /** Names of values of the graph. */
  readonly wrt: readonly string[]
}

/**
 * Reverse-mode differentiation from graph to graph: adds to a graph the nodes that compute d(of)/d(wrt), using only operators of the closed list.
 * @returns the graph with a further output per name, called `gradient/<name>`, of that value's shape; zeros where `of` does not depend on it
 * @throws GraphError when `of` is not a single float; NotDifferentiableError where an operator on the way has no gradient
 */
export function gradient(graph: Graph, { of, wrt }: Derivative): Graph {
  const g = extendGraph(graph)
  const gradients = differentiate(g, g.find(of), wrt.map(g.find))
  wrt.forEach((name, i) => {
    g.output(`gradient/${name}`, gradients[i]!)
  })
  return g.build()
}

/**
 * The same inside a graph under construction (the body of a Loop, say): the values of d(of)/d(wrt). Paths through the graphs around it are not
 * followed: what a body takes from outside counts as constant, unless it is one of `wrt` itself.
 */
export function differentiate(g: Builder, of: Value, wrt: readonly Value[]): readonly Value[] {
  if (!of.dtype.startsWith('float') || of.dims.some((dim) => dim !== 1)) {
    throw new GraphError(`gradient of "${of.name}": expected a single float, got ${of.dtype} ${formatShape(of.dims)}`)
  }
  const whole = wrt.find(({ dtype }) => !dtype.startsWith('float'))
  if (whole) throw new GraphError(`gradient with respect to "${whole.name}": expected a float, got ${whole.dtype}`)
  const forward = [...g.nodes]
  const active = dependents(forward, wrt)
  const gradientOf = new Map<string, Value>([[of.name, fillLike(g, of, 1)]])
  for (const node of forward.reverse()) {
    const dys = node.outputs.map((name) => gradientOf.get(name))
    const dy = dys.find((value) => value !== undefined)
    if (dy && node.outputs.some((name) => active.has(name))) propagate(g, node, dys, dy, active, gradientOf)
  }
  return wrt.map((value) => gradientOf.get(value.name) ?? fillLike(g, value, 0))
}

/** The names of the values that depend on any of `wrt`, these included. */
function dependents(nodes: readonly Node[], wrt: readonly Value[]): ReadonlySet<string> {
  const active = new Set(wrt.map(({ name }) => name))
  for (const node of nodes) {
    const body = bodyOf(node)
    const uses = body ? [...node.inputs, ...freeNames(body)] : node.inputs
    if (uses.some((name) => active.has(name))) for (const name of node.outputs) active.add(name)
  }
  return active
}

/** Adds a node's vector-Jacobian products to the gradients of those of its inputs that are wanted. */
function propagate(
  g: Builder,
  node: Node,
  dys: readonly (Value | undefined)[],
  dy: Value,
  active: ReadonlySet<string>,
  gradientOf: Map<string, Value>,
): void {
  const x = node.inputs.map((name) => (name === '' ? undefined : g.find(name)))
  const context = { g, node, x, y: g.find(node.outputs[0]!), dy, dys } as GradientContext
  const products = (gradientRules[node.op] as GradientRule)(context)
  node.inputs.forEach((name, i) => {
    const product = products[i]
    if (!product || !active.has(name)) return
    const dx = sumTo(g, product(), x[i]!)
    const sum = gradientOf.get(name)
    gradientOf.set(name, sum ? g.Add(sum, dx) : dx)
  })
}

/** Sums a gradient over the axes along which its value was broadcast: broadcasting's own gradient, for every operator. */
function sumTo(g: Builder, dx: Value, x: Value): Value {
  if (sameShape(dx.dims, x.dims)) return dx
  const leading = dx.dims.length - x.dims.length
  const axes = dx.dims.flatMap((dim, axis) => (axis < leading || (x.dims[axis - leading] === 1 && dim !== 1) ? [axis] : []))
  const summed = leading === axes.length ? g.ReduceSum(dx, axes, { keepdims: 0 }) : g.ReduceSum(dx, axes, { keepdims: 1 })
  return sameShape(summed.dims, x.dims) ? summed : g.Reshape(summed, g.shapeOf(x))
}
