import type { DataType, Tensor } from '@niceflow/core'
import * as ort from 'onnxruntime-node'
import type { OperatorCase } from './cases.test-data.ts'
import { float64Value } from './float64.ts'
import type { Float64Value } from './float64-arrays.ts'
import type { Graph, Node } from './ir.ts'
import type { OpType } from './operators.ts'
import { Scope } from './scope.ts'
import { encodeModel } from './serde.ts'

/** A graph of one node: inputs x0, x1, …, those that must be constants as initializers, and outputs y0, y1, … */
export function caseGraph(
  op: OpType,
  { inputs, attributes, constantInputs = [] }: OperatorCase,
): { graph: Graph; feeds: Record<string, Tensor> } {
  const present = inputs.flatMap((tensor, i) => (tensor ? [{ name: `x${i}`, tensor, constant: constantInputs.includes(i) }] : []))
  const body = 'body' in attributes ? attributes.body : undefined
  const count = body ? body.outputs.length - (op === 'Loop' ? 1 : 0) : op === 'Split' ? inputs[1]!.data.length : 1
  const node = {
    op,
    name: 'node',
    inputs: inputs.map((tensor, i) => (tensor ? `x${i}` : '')),
    outputs: [...Array(count).keys()].map((i) => `y${i}`),
    attributes,
  }
  const scope = new Scope(op)
  for (const { name, tensor, constant } of present)
    scope.define({ name, dtype: tensor.dtype, dims: tensor.dims }, constant ? { constant: tensor } : {})
  const fed = present.filter(({ constant }) => !constant)
  const graph: Graph = {
    name: op,
    inputs: fed.map(({ name, tensor: { dtype, dims } }) => ({ name, dtype, dims })),
    outputs: scope.add(node as unknown as Node),
    initializers: Object.fromEntries(present.filter(({ constant }) => constant).map(({ name, tensor }) => [name, tensor])),
    nodes: [node as unknown as Node],
  }
  return { graph, feeds: Object.fromEntries(fed.map(({ name, tensor }) => [name, tensor])) }
}

/** What ONNX Runtime makes of a graph, or of a model's file. */
export async function runOnnxRuntime(
  model: Graph | string,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Float64Value>> {
  const options = { logSeverityLevel: 3, intraOpNumThreads: 1 } as const
  const source = typeof model === 'string' ? model : encodeModel({ graph: model, metadata: {} })
  const session =
    typeof source === 'string' ? await ort.InferenceSession.create(source, options) : await ort.InferenceSession.create(source, options)
  const inputs = Object.entries(feeds).map(([name, { dtype, data, dims }]) => [
    name,
    new ort.Tensor(dtype as 'float32', data as Float32Array, dims),
  ])
  const results = await session.run(Object.fromEntries(inputs))
  await session.release()
  return Object.fromEntries(Object.entries(results).map(([name, { type, dims, data }]) => [name, asValue(type as DataType, dims, data)]))
}

function asValue(dtype: DataType, dims: readonly number[], data: ort.Tensor['data']): Float64Value {
  return float64Value({ dtype, dims, data } as Tensor)
}
