import { sizeOf, streamKey, type Tensor, tensor, uniform } from '@niceflow/core'
import { extendGraph } from './builder.ts'
import type { OperatorCase } from './cases.test-data.ts'
import type { Graph, Node } from './ir.ts'
import { arity, type OpType } from './operators.ts'
import { Scope } from './scope.ts'

export const operators = Object.keys(arity) as OpType[]

/** An operator's float inputs become the inputs x0, x1, … of a graph; `target` sums its outputs under random weights w0, w1, … */
export function targetGraph(
  op: OpType,
  { inputs, attributes, constantInputs = [] }: OperatorCase,
): { graph: Graph; wrt: string[]; weights: Tensor<'float32'>[] } {
  const scope = new Scope(op)
  const names = inputs.map((input, i) => (input ? `x${i}` : ''))
  const given = inputs.flatMap((input, i) => (input ? [{ input, i, value: { name: `x${i}`, dtype: input.dtype, dims: input.dims } }] : []))
  for (const { input, i, value } of given) scope.define(value, constantInputs.includes(i) ? { constant: input } : {})
  const outputs = op === 'Split' ? Array.from({ length: inputs[1]!.data.length }, (_, i) => `y${i}`) : ['y0']
  const made = scope.add({ op, name: 'node', inputs: names, outputs, attributes } as Node)
  const g = extendGraph({
    name: op,
    inputs: given.filter(({ i }) => !constantInputs.includes(i)).map(({ value }) => value),
    outputs: [],
    initializers: Object.fromEntries(given.filter(({ i }) => constantInputs.includes(i)).map(({ input, value }) => [value.name, input])),
    nodes: [{ op, name: 'node', inputs: names, outputs, attributes } as Node],
  })
  const weights = made.map(({ dims }, i) =>
    tensor('float32', dims as number[], uniform(streamKey(3, 'probe', i), sizeOf(dims as number[]))),
  )
  const sums = made.map((y, i) =>
    g.ReduceSum(g.Mul(g.Cast(y, { to: 'float32' }), g.constant(`w${i}`, weights[i]!)), undefined, { keepdims: 0 }),
  )
  g.output(
    'target',
    sums.reduce((sum, term) => g.Add(sum, term)),
  )
  const wrt = given.filter(({ input, i }) => !constantInputs.includes(i) && input.dtype.startsWith('float')).map(({ value }) => value.name)
  return { graph: g.build(), wrt, weights }
}
