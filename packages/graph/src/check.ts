import { sameShape } from './broadcast.ts'
import { CycleError, ShapeMismatchError, UnknownValueError } from './errors.ts'
import { formatShape, type Graph, type Node } from './ir.ts'
import { Scope } from './scope.ts'

/** The body of a Loop or a Scan, the one attribute that is a graph. */
export function bodyOf(node: Node): Graph | undefined {
  return 'body' in node.attributes ? node.attributes.body : undefined
}

/** Every value that a node uses, those that its body takes from outside included. */
export function usesOf(node: Node): readonly string[] {
  const body = bodyOf(node)
  return [...node.inputs.filter((name) => name !== ''), ...(body ? freeNames(body) : [])]
}

/** The values that a body uses but does not define. */
export function freeNames(body: Graph): readonly string[] {
  const own = new Set([
    ...body.inputs.map(({ name }) => name),
    ...Object.keys(body.initializers),
    ...body.nodes.flatMap(({ outputs }) => outputs),
  ])
  const used = [...body.nodes.flatMap(usesOf), ...body.outputs.map(({ name }) => name)]
  return [...new Set(used)].filter((name) => !own.has(name))
}

/**
 * Checks a graph that did not come from a builder (a file's, say) by the same rules, and puts its nodes in order.
 * @returns the graph, its nodes sorted so that every value stands before its uses
 * @throws UnknownValueError, DuplicateNameError, CycleError, ShapeMismatchError
 */
export function checkGraph(graph: Graph, outer?: Scope): Graph {
  const scope = new Scope(graph.name, outer)
  for (const value of graph.inputs) scope.define(value)
  for (const [name, { dtype, dims, ...constant }] of Object.entries(graph.initializers)) {
    scope.define({ name, dtype, dims }, { constant: { dtype, dims, ...constant } as Graph['initializers'][string] })
  }
  const nodes = sorted(graph).map((node) => {
    const body = bodyOf(node)
    const checked = body ? ({ ...node, attributes: { ...node.attributes, body: checkGraph(body, scope) } } as Node) : node
    scope.add(checked)
    return checked
  })
  for (const output of graph.outputs) {
    const found = scope.find(output.name)
    if (!found) throw new UnknownValueError(`graph "${graph.name}": output`, output.name)
    if (found.dtype !== output.dtype || !sameShape(found.dims, output.dims)) {
      throw new ShapeMismatchError({
        node: `graph "${graph.name}", output "${output.name}"`,
        expected: `${output.dtype} ${formatShape(output.dims)} as declared`,
        got: `${found.dtype} ${formatShape(found.dims)}`,
      })
    }
  }
  return { ...graph, nodes }
}

/** Depth-first order of the nodes by what they use; nodes in order already stay as they are. */
function sorted({ name: graph, nodes }: Graph): readonly Node[] {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const order: Node[] = []
  const done = new Set<Node>()
  const path: Node[] = []
  const visit = (node: Node): void => {
    if (done.has(node)) return
    if (path.includes(node))
      throw new CycleError(
        graph,
        [...path.slice(path.indexOf(node)), node].map((n) => `"${n.name}"`),
      )
    path.push(node)
    for (const name of usesOf(node)) {
      const producer = producers.get(name)
      if (producer) visit(producer)
    }
    path.pop()
    done.add(node)
    order.push(node)
  }
  for (const node of nodes) visit(node)
  return order
}
