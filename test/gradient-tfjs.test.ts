import type { Tensor } from '@niceflow/core'
import { evaluate, gradient, type OpType } from '@niceflow/graph'
import * as tf from '@tensorflow/tfjs'
import { describe, expect, it } from 'vitest'
import { type OperatorCase, operatorCases } from '../packages/graph/src/cases.test-data.ts'
import { targetGraph } from '../packages/graph/src/differentiable.test-data.ts'

/** Float32 products and sums of up to 24 terms of order 10, TensorFlow.js's against float64. */
const float32Tolerance = 1e-4

/** Operators that no gradient flows through, or that have none. */
type Undifferentiated = 'ConstantOfShape' | 'Floor' | 'Greater' | 'Less' | 'Loop' | 'Scan' | 'ScatterElements' | 'Shape' | 'Sign' | 'Size'

type Inputs = readonly tf.Tensor[]
type Attributes = { readonly [name: string]: unknown }
type Equivalent = (x: Inputs, attributes: Attributes, given: readonly (Tensor | undefined)[]) => readonly tf.Tensor[]

const one =
  (f: (x: tf.Tensor) => tf.Tensor): Equivalent =>
  ([x]) => [f(x!)]
const two =
  (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Equivalent =>
  ([a, b]) => [f(a!, b!)]
/** Spread to their common shape first, which tf.maximum's and tf.minimum's gradients need. */
const spread =
  (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Equivalent =>
  ([a, b]) => {
    const zeros = tf.zeros(tf.add(a!, b!).shape)
    return [f(tf.add(a!, zeros), tf.add(b!, zeros))]
  }
const integers = (tensor: Tensor | undefined): number[] | undefined =>
  tensor && Array.from(tensor.data as ArrayLike<number | bigint>, Number)
const reduce =
  (f: (x: tf.Tensor, axes?: number[], keep?: boolean) => tf.Tensor): Equivalent =>
  ([x], { axes, keepdims = 1 }) => [f(x!, axes as number[] | undefined, keepdims === 1)]
const axisIn = (x: tf.Tensor, axis: unknown): number => ((axis as number) + x.rank) % x.rank
/** The indices that a slice takes along an axis, as Python counts them. */
const sliced = (start: number, end: number, step: number, size: number): number[] => {
  const clamp = (at: number, low: number, high: number): number => Math.min(Math.max(at < 0 ? at + size : at, low), high)
  const first = step > 0 ? clamp(start, 0, size) : clamp(start, 0, size - 1)
  const last = step > 0 ? clamp(end, 0, size) : clamp(end, -1, size - 1)
  const count = Math.max(0, Math.ceil((last - first) / step))
  return Array.from({ length: count }, (_, i) => first + i * step)
}

/** The same operators in TensorFlow.js's own words; its gradients are its own. */
const equivalents: { readonly [Op in Exclude<OpType, Undifferentiated>]: Equivalent } = {
  Abs: one(tf.abs),
  Add: two(tf.add),
  Cast: one((x) => x),
  Clip: ([x, ...bounds], attributes, given) => {
    const [low, high] = given[1] ? bounds : [undefined, bounds[0]]
    const raised = low ? spread(tf.maximum)([x!, low], attributes, given)[0]! : x!
    return high ? spread(tf.minimum)([raised, high], attributes, given) : [raised]
  },
  Concat: (parts, { axis }) => [tf.concat([...parts], axisIn(parts[0]!, axis))],
  Div: two(tf.div),
  Exp: one(tf.exp),
  Expand: ([x], _, given) => [tf.mul(x!, tf.ones(integers(given[1])!))],
  Gather: ([x], { axis = 0 }, given) => {
    const at = axisIn(x!, axis)
    const size = x!.shape[at]!
    return [
      tf.gather(
        x!,
        tf.tensor(
          integers(given[1])!.map((i) => (i + size) % size),
          [...given[1]!.dims],
          'int32',
        ),
        at,
      ),
    ]
  },
  Gemm: ([a, b, c], { alpha = 1, beta = 1, transA = 0, transB = 0 }) => {
    const product = tf.mul(tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, transA === 1, transB === 1), alpha as number)
    return [c ? tf.add(product, tf.mul(c, beta as number)) : product]
  },
  HardSigmoid: ([x], { alpha = 0.2, beta = 0.5 }) => [tf.clipByValue(tf.add(tf.mul(x!, alpha as number), beta as number), 0, 1)],
  Identity: one((x) => x),
  LeakyRelu: ([x], { alpha = 0.01 }) => [tf.leakyRelu(x!, alpha as number)],
  Log: one(tf.log),
  MatMul: ([a, b]) => {
    const rank = Math.max(a!.rank, b!.rank)
    const aligned = [a!, b!].map((m) => m.reshape([...Array.from({ length: rank - m.rank }, () => 1), ...m.shape]))
    const batch = aligned[0]!.shape.slice(0, -2).map((size, i) => Math.max(size, aligned[1]!.shape[i]!))
    const [left, right] = aligned.map((m) => tf.add(m, tf.zeros([...batch, ...m.shape.slice(-2)])))
    return [tf.matMul(left!, right!)]
  },
  Max: spread(tf.maximum),
  Min: spread(tf.minimum),
  Mul: two(tf.mul),
  Neg: one(tf.neg),
  Pow: ([a, b], _, given) => [tf.pow(a!, b ?? tf.scalar(Number(given[1]!.data[0])))],
  Reciprocal: one(tf.reciprocal),
  ReduceMax: reduce(tf.max),
  ReduceMean: reduce(tf.mean),
  ReduceSum: ([x], { keepdims = 1 }, given) => [tf.sum(x!, integers(given[1]), keepdims === 1)],
  Relu: one(tf.relu),
  Reshape: ([x], _, given) => [x!.reshape(integers(given[1])!.map((dim, axis) => (dim === 0 ? x!.shape[axis]! : dim)))],
  Sigmoid: one(tf.sigmoid),
  Slice: ([x], _, given) => {
    const [starts, ends, axes, steps] = given.slice(1).map(integers)
    const along = axes ?? starts!.map((__, i) => i)
    return [
      along.reduce((y, named, i) => {
        const axis = axisIn(x!, named)
        return tf.gather(y, tf.tensor1d(sliced(starts![i]!, ends![i]!, steps?.[i] ?? 1, y.shape[axis]!), 'int32'), axis)
      }, x!),
    ]
  },
  Softplus: one(tf.softplus),
  Split: ([x], { axis = 0 }, given) => tf.split(x!, integers(given[1])!, axisIn(x!, axis)),
  Sqrt: one(tf.sqrt),
  Squeeze: ([x], _, given) => [
    tf.squeeze(
      x!,
      integers(given[1])!.map((axis) => axisIn(x!, axis)),
    ),
  ],
  Sub: two(tf.sub),
  Tanh: one(tf.tanh),
  Transpose: ([x], { perm }) => [tf.transpose(x!, perm as number[] | undefined)],
  Unsqueeze: ([x], _, given) => {
    const rank = x!.rank + given[1]!.data.length
    const added = integers(given[1])!.map((axis) => (axis + rank) % rank)
    const rest = [...x!.shape]
    return [x!.reshape(Array.from({ length: rank }, (_, axis) => (added.includes(axis) ? 1 : rest.shift()!)))]
  },
  Where: ([a, b], _, given) => {
    const chosen = tf.tensor(Array.from(given[0]!.data as Uint8Array), [...given[0]!.dims], 'float32')
    return [tf.add(tf.mul(a!, chosen), tf.mul(b!, tf.sub(1, chosen)))]
  },
}

/** TensorFlow.js differentiates no empty tensors. */
const isEmpty = (op: OpType, operatorCase: OperatorCase): boolean =>
  [...operatorCase.inputs, ...targetGraph(op, operatorCase).weights].some(
    (tensor) => tensor?.dtype.startsWith('float') && tensor.data.length === 0,
  )

const cases = (Object.keys(equivalents) as (keyof typeof equivalents)[]).flatMap((op) =>
  operatorCases[op]
    .map((operatorCase, i) => ({ op, i, operatorCase: operatorCase as OperatorCase }))
    .filter(({ operatorCase }) => !isEmpty(op, operatorCase) && targetGraph(op, operatorCase).wrt.length > 0),
)

describe('gradients by graph transformation', () => {
  it.each(cases)("equal TensorFlow.js's: $op, case $i", ({ op, operatorCase }) => {
    const { graph, wrt, weights } = targetGraph(op, operatorCase)
    const given = operatorCase.inputs
    const feeds = Object.fromEntries(graph.inputs.map(({ name }) => [name, given[Number(name.slice(1))]!]))
    const ours = evaluate(gradient(graph, { of: 'target', wrt }), feeds)

    const variables = wrt.map((name) => toTf(feeds[name]!))
    const target = (...x: tf.Tensor[]): tf.Scalar => {
      const outputs = equivalents[op](x, operatorCase.attributes, given)
      return tf.addN(outputs.map((y, i) => tf.sum(tf.mul(y, toTf(weights[i]!))))) as tf.Scalar
    }
    const theirs = tf.grads(target)(variables)
    wrt.forEach((name, i) => {
      const got = ours[`gradient/${name}`]!
      expect(got.dims).toEqual(theirs[i]!.shape)
      const expected = theirs[i]!.dataSync()
      for (let k = 0; k < expected.length; k++) expect(Math.abs(got.data[k]! - expected[k]!)).toBeLessThan(float32Tolerance)
    })
  })

  it('covers every operator that has a gradient', () => {
    expect([...new Set(cases.map(({ op }) => op))].sort()).toEqual(Object.keys(equivalents).sort())
  })
})

function toTf({ data, dims }: Tensor): tf.Tensor {
  return tf.tensor(data as Float32Array, [...dims], 'float32')
}
