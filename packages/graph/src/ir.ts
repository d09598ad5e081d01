import type { DataType, Tensor } from '@niceflow/core'
import type { Attributes, OpType } from './operators.ts'

/** A size known when the graph is built, or the name of one known when it runs. Batch is the one dynamic dimension of a released graph. */
export type Dim = number | string
export type Shape = readonly Dim[]

/** A value of a graph: its name, element type and shape. */
export type Value = { readonly name: string; readonly dtype: DataType; readonly dims: Shape }

/** An operator applied to named values. An input left out is the empty string, as in ONNX. */
export type Node<Op extends OpType = OpType> = {
  readonly [O in Op]: {
    readonly op: O
    readonly name: string
    readonly inputs: readonly string[]
    readonly outputs: readonly string[]
    readonly attributes: Attributes<O>
  }
}[Op]

/**
 * An ONNX graph as immutable plain data, its nodes in an order in which every value stands before its uses. The body of a Loop or a Scan is a
 * graph too, and may use values of the graphs around it by name.
 */
export type Graph = {
  readonly name: string
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  /** Constants and weights by name. */
  readonly initializers: Readonly<Record<string, Tensor>>
  readonly nodes: readonly Node[]
}

/** A graph with the words that a lone file needs said (`metadata_props`). */
export type Model = { readonly graph: Graph; readonly metadata: Readonly<Record<string, string>> }

/** The widest operator set and file version that every runtime of niceflow loads. */
export const opset = 17
export const irVersion = 8

export function formatShape(dims: Shape): string {
  return `[${dims.join(', ')}]`
}
