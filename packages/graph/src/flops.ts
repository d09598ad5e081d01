import type { Dim, Graph, Shape } from './ir.ts'
import { Scope } from './scope.ts'

/** Sizes of a graph's dynamic dimensions, by name. */
export type DimSizes = Readonly<Record<string, number>>

/**
 * Floating-point operations of a graph's matrix products: 2 m k n for each Gemm and each MatMul, those in bodies as often as they run.
 * Nothing else counts as work.
 * @param sizes of the dynamic dimensions
 * @param loopSteps how often the body of a Loop runs
 */
export function matrixFlops(graph: Graph, sizes: DimSizes, loopSteps = 1, outer?: Scope): number {
  const scope = new Scope(graph.name, outer)
  for (const value of graph.inputs) scope.define(value)
  for (const [name, contents] of Object.entries(graph.initializers))
    scope.define({ name, dtype: contents.dtype, dims: contents.dims }, { constant: contents })
  const sizeOf = (dim: Dim): number => (typeof dim === 'number' ? dim : sizes[dim]!)
  const product = (dims: Shape): number => dims.reduce<number>((all, dim) => all * sizeOf(dim), 1)
  let total = 0
  for (const node of graph.nodes) {
    const [output] = scope.add(node)
    const a = scope.find(node.inputs[0]!)?.dims ?? []
    if (node.op === 'MatMul') total += 2 * product(output!.dims) * sizeOf(a.at(-1)!)
    if (node.op === 'Gemm') total += 2 * product(output!.dims) * sizeOf(a[node.attributes.transA ? 0 : 1]!)
    if (node.op === 'Loop') total += loopSteps * matrixFlops(node.attributes.body, sizes, loopSteps, scope)
    if (node.op === 'Scan') {
      const rows = scope.find(node.inputs.at(-1)!)!.dims[0]!
      total += sizeOf(rows) * matrixFlops(node.attributes.body, sizes, loopSteps, scope)
    }
  }
  return total
}
