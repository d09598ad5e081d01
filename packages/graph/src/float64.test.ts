import { type Tensor, tensor } from '@niceflow/core'
import { describe, expect, it } from 'vitest'
import { draws, operatorCases } from './cases.test-data.ts'
import { evaluate, float64Kernels, float64Value, toTensor } from './float64.ts'
import type { Float64Value } from './float64-arrays.ts'
import type { Graph } from './ir.ts'
import { caseGraph, runOnnxRuntime } from './onnxruntime.test-data.ts'
import type { Attributes, OpType } from './operators.ts'

/** A few roundings of a number near 1 in float32 (2^-23 each): the sums and powers in the cases are of a handful of terms. */
const float32Tolerance = 3e-6

describe('every operator gives what ONNX Runtime gives', () => {
  for (const op of Object.keys(operatorCases) as OpType[]) {
    it.each(operatorCases[op].map((example, i) => [i, example] as const))(`${op} %i`, async (_, example) => {
      const { graph, feeds } = caseGraph(op, example)
      const expected = await runOnnxRuntime(graph, feeds)
      const got = evaluate(graph, feeds)
      for (const { name } of graph.outputs) expectClose(got[name]!, expected[name]!)
    })
  }
})

function expectClose(got: Float64Value, expected: Float64Value): void {
  expect(got.dims).toEqual(expected.dims)
  const error = got.data.reduce(
    (worst, x, i) => Math.max(worst, Math.abs(x - expected.data[i]!) / Math.max(1, Math.abs(expected.data[i]!))),
    0,
  )
  expect(error).toBeLessThanOrEqual(float32Tolerance)
}

const f = (...data: number[]): Tensor => tensor('float64', [data.length], Float64Array.from(data))
const matrix = (...rows: number[][]): Tensor => tensor('float64', [rows.length, rows[0]!.length], Float64Array.from(rows.flat()))
const ints = (...data: number[]): Tensor => tensor('int64', [data.length], BigInt64Array.from(data, BigInt))
const bools = (...data: number[]): Tensor => tensor('bool', [data.length], Uint8Array.from(data))
const single = (contents: Tensor): Tensor => ({ ...contents, dims: [] })

const { NaN: nan, POSITIVE_INFINITY: inf, NEGATIVE_INFINITY: negInf } = Number

/** n <- n + x per turn, stacking n squared; in a Scan x is a row, in a Loop it is the step's number. */
const sumBody = (of: 'Loop' | 'Scan'): Graph => {
  const [n, x, squared] = ['n', 'x', 'squared'].map((name) => ({ name, dtype: 'float64' as const, dims: [] }))
  const [turn, go, goOn] = [
    { name: 'turn', dtype: 'int64' as const, dims: [] },
    ...['go', 'go_on'].map((name) => ({ name, dtype: 'bool' as const, dims: [] })),
  ]
  const next = { name: 'next', dtype: 'float64' as const, dims: [] }
  const inLoop = of === 'Loop'
  return {
    name: 'sum',
    inputs: inLoop ? [turn!, go!, n!] : [n!, x!],
    outputs: inLoop ? [goOn!, next, squared!] : [next, squared!],
    initializers: {},
    nodes: [
      ...(inLoop
        ? [
            { op: 'Cast', name: 'cast', inputs: ['turn'], outputs: ['x'], attributes: { to: 'float64' } } as const,
            { op: 'Identity', name: 'condition', inputs: ['go'], outputs: ['go_on'], attributes: {} } as const,
          ]
        : []),
      { op: 'Add', name: 'add', inputs: ['n', 'x'], outputs: ['next'], attributes: {} },
      { op: 'Mul', name: 'square', inputs: ['next', 'next'], outputs: ['squared'], attributes: {} },
    ],
  }
}

type Expectation<Op extends OpType> = {
  readonly inputs: readonly (Tensor | undefined)[]
  readonly attributes: Attributes<Op>
  readonly outputs: readonly (readonly [dims: readonly number[], ...data: number[]])[]
}

/** What each operator gives, written out from its definition in the ONNX specification. */
const expectations: { readonly [Op in OpType]: Expectation<Op> } = {
  Abs: { inputs: [f(-1.5, 0, 2, negInf, nan)], attributes: {}, outputs: [[[5], 1.5, 0, 2, inf, nan]] },
  Add: { inputs: [matrix([1, 2], [3, 4]), f(10, 20)], attributes: {}, outputs: [[[2, 2], 11, 22, 13, 24]] },
  Cast: { inputs: [f(2.9, -2.9, 0)], attributes: { to: 'int64' }, outputs: [[[3], 2, -2, 0]] },
  Clip: { inputs: [f(-3, 0.5, 7, nan), single(f(-1)), single(f(2))], attributes: {}, outputs: [[[4], -1, 0.5, 2, nan]] },
  Concat: { inputs: [matrix([1], [4]), matrix([2, 3], [5, 6])], attributes: { axis: -1 }, outputs: [[[2, 3], 1, 2, 3, 4, 5, 6]] },
  ConstantOfShape: { inputs: [ints(2, 1)], attributes: { value: f(0.25) }, outputs: [[[2, 1], 0.25, 0.25]] },
  Div: { inputs: [ints(7, -7, 7), ints(2, 2, -2)], attributes: {}, outputs: [[[3], 3, -3, -3]] },
  Exp: { inputs: [f(0, 1, negInf, 710)], attributes: {}, outputs: [[[4], 1, Math.E, 0, inf]] },
  Expand: { inputs: [matrix([1], [2]), ints(2, 1, 3)], attributes: {}, outputs: [[[2, 2, 3], 1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2]] },
  Floor: { inputs: [f(1.5, -1.5, 2)], attributes: {}, outputs: [[[3], 1, -2, 2]] },
  Gather: { inputs: [matrix([1, 2, 3], [4, 5, 6]), ints(2, -3)], attributes: { axis: 1 }, outputs: [[[2, 2], 3, 1, 6, 4]] },
  Gemm: {
    inputs: [matrix([1, 3], [2, 4]), matrix([5, 6], [7, 8]), f(1, -1)],
    attributes: { transA: 1, alpha: 0.5, beta: 2 },
    outputs: [[[2, 2], 11.5, 9, 23.5, 23]],
  },
  Greater: { inputs: [f(1, 2, 3, nan), f(2, 2, 2, 2)], attributes: {}, outputs: [[[4], 0, 0, 1, 0]] },
  Identity: { inputs: [f(1, nan)], attributes: {}, outputs: [[[2], 1, nan]] },
  HardSigmoid: { inputs: [f(-2, 0, 0.5, 3)], attributes: { alpha: 0.5, beta: 0.25 }, outputs: [[[4], 0, 0.25, 0.5, 1]] },
  LeakyRelu: { inputs: [f(-2, 0, 3)], attributes: { alpha: 0.25 }, outputs: [[[3], -0.5, 0, 3]] },
  Less: { inputs: [f(1, 2, 3, nan), f(2, 2, 2, 2)], attributes: {}, outputs: [[[4], 1, 0, 0, 0]] },
  Log: { inputs: [f(1, Math.E, 0, -1)], attributes: {}, outputs: [[[4], 0, 1, negInf, nan]] },
  Loop: {
    inputs: [single(ints(3)), single(bools(1)), single(f(10))],
    attributes: { body: sumBody('Loop') },
    outputs: [
      [[], 13],
      [[3], 100, 121, 169],
    ],
  },
  MatMul: { inputs: [matrix([1, 2], [3, 4]), matrix([5, 6], [7, 8])], attributes: {}, outputs: [[[2, 2], 19, 22, 43, 50]] },
  Max: { inputs: [f(1, -2, nan), f(0, -1, 5)], attributes: {}, outputs: [[[3], 1, -1, nan]] },
  Min: { inputs: [f(1, -2, nan), f(0, -1, 5)], attributes: {}, outputs: [[[3], 0, -2, nan]] },
  Mul: { inputs: [matrix([2], [3]), f(5, 7)], attributes: {}, outputs: [[[2, 2], 10, 14, 15, 21]] },
  Neg: { inputs: [f(1, -2)], attributes: {}, outputs: [[[2], -1, 2]] },
  Pow: { inputs: [f(2, 9, 1, -2), f(-1, 0.5, inf, 0.5)], attributes: {}, outputs: [[[4], 0.5, 3, 1, nan]] },
  Reciprocal: { inputs: [f(4, -0.5, 0)], attributes: {}, outputs: [[[3], 0.25, -2, inf]] },
  ReduceMax: { inputs: [matrix([1, 5], [7, 3])], attributes: { axes: [0], keepdims: 0 }, outputs: [[[2], 7, 5]] },
  ReduceMean: { inputs: [matrix([1, 5], [7, 3])], attributes: { axes: [1] }, outputs: [[[2, 1], 3, 5]] },
  ReduceSum: { inputs: [matrix([1, 5], [7, 3]), ints(0)], attributes: {}, outputs: [[[1, 2], 8, 8]] },
  Relu: { inputs: [f(-1, 0, 2, nan)], attributes: {}, outputs: [[[4], 0, 0, 2, nan]] },
  Reshape: { inputs: [matrix([1, 2, 3], [4, 5, 6]), ints(-1, 2)], attributes: {}, outputs: [[[3, 2], 1, 2, 3, 4, 5, 6]] },
  Scan: {
    inputs: [single(f(1)), f(1, 2, 3)],
    attributes: { body: sumBody('Scan'), num_scan_inputs: 1 },
    outputs: [
      [[], 7],
      [[3], 4, 16, 49],
    ],
  },
  ScatterElements: { inputs: [f(1, 2, 3), ints(2, 0, -1), f(10, 20, 30)], attributes: { reduction: 'add' }, outputs: [[[3], 21, 2, 43]] },
  Shape: { inputs: [matrix([1, 2, 3])], attributes: {}, outputs: [[[2], 1, 3]] },
  Size: { inputs: [matrix([1, 2, 3])], attributes: {}, outputs: [[[], 3]] },
  Sigmoid: { inputs: [f(0, 800, -800, Math.log(3), -40)], attributes: {}, outputs: [[[5], 0.5, 1, 0, 0.75, Math.exp(-40)]] },
  Sign: { inputs: [f(-3, 0, 0.5)], attributes: {}, outputs: [[[3], -1, 0, 1]] },
  Slice: { inputs: [matrix([1, 2, 3], [4, 5, 6]), ints(-1), ints(-4), ints(1), ints(-2)], attributes: {}, outputs: [[[2, 2], 3, 1, 6, 4]] },
  Softplus: { inputs: [f(0, 800, -800, -40)], attributes: {}, outputs: [[[4], Math.LN2, 800, 0, Math.exp(-40)]] },
  Split: {
    inputs: [matrix([1, 2, 3], [4, 5, 6]), ints(1, 2)],
    attributes: { axis: -1 },
    outputs: [
      [[2, 1], 1, 4],
      [[2, 2], 2, 3, 5, 6],
    ],
  },
  Sqrt: { inputs: [f(9, 0, -1)], attributes: {}, outputs: [[[3], 3, 0, nan]] },
  Squeeze: { inputs: [matrix([1, 2]), ints(0)], attributes: {}, outputs: [[[2], 1, 2]] },
  Sub: { inputs: [f(5, 7), single(f(1))], attributes: {}, outputs: [[[2], 4, 6]] },
  Tanh: { inputs: [f(0, inf, negInf)], attributes: {}, outputs: [[[3], 0, 1, -1]] },
  Transpose: { inputs: [matrix([1, 2, 3], [4, 5, 6])], attributes: {}, outputs: [[[3, 2], 1, 4, 2, 5, 3, 6]] },
  Unsqueeze: { inputs: [f(1, 2), ints(-1)], attributes: {}, outputs: [[[2, 1], 1, 2]] },
  Where: { inputs: [bools(1, 0), matrix([1, 2], [3, 4]), single(f(9))], attributes: {}, outputs: [[[2, 2], 1, 9, 3, 9]] },
}

/** Elementary functions in float64 are within an ulp or two of the true value. */
const float64Tolerance = 1e-15

describe('every operator gives what its definition says', () => {
  it.each(Object.keys(expectations) as OpType[])('%s', (op) => {
    const { inputs, attributes, outputs }: Expectation<OpType> = expectations[op]
    const constantInputs = inputs.map((_, i) => i)
    const { graph, feeds } = caseGraph(op, { inputs, attributes, constantInputs })
    const results = evaluate(graph, feeds)
    expect(graph.outputs).toHaveLength(outputs.length)
    outputs.forEach(([dims, ...data], i) => {
      const got = results[`y${i}`]!
      expect(got.dims).toEqual(dims)
      expect(got.data).toHaveLength(data.length)
      data.forEach((value, at) => {
        if (Number.isFinite(value)) expect(Math.abs(got.data[at]! - value)).toBeLessThanOrEqual(float64Tolerance * Math.abs(value))
        else expect(got.data[at]).toBe(value)
      })
    })
  })
})

describe('matrix products', () => {
  /** Sums of 300 products of numbers below 1.5 in another order: 300 roundings of at most 300 * 2.25 * 2^-53. */
  const reorderingTolerance = 300 * 300 * 2.25 * 2 ** -53

  it.each([
    [5, 3, 300],
    [1, 270, 7],
    [259, 2, 258],
    [4, 4, 4],
  ])('of %i x %i over %i terms are the sums of products, whatever the block they fall in', (m, n, k) => {
    const [a, b] = [float64Value(draws([m, k])), float64Value(draws([k, n]))]
    const [product] = float64Kernels.kernels.MatMul([a, b], {}, () => [])
    let worst = 0
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0
        for (let p = 0; p < k; p++) sum += a.data[i * k + p]! * b.data[p * n + j]!
        worst = Math.max(worst, Math.abs(sum - product!.data[i * n + j]!))
      }
    }
    expect(product!.dims).toEqual([m, n])
    expect(worst).toBeLessThanOrEqual(reorderingTolerance)
  })
})

describe('conversion', () => {
  it.each(['float32', 'float64', 'float16', 'int64', 'int32', 'int8', 'uint8'] as const)(
    'to and from %s keeps small whole numbers',
    (dtype) => {
      const value: Float64Value = { dims: [2, 2], data: Float64Array.of(0, 1, 2, 100) }
      const converted = toTensor(value, dtype)
      expect(converted.dtype).toBe(dtype)
      expect(float64Value(converted)).toMatchObject(value)
    },
  )

  it('to integers drops fractions, to bool asks whether a number is zero', () => {
    const value: Float64Value = { dims: [3], data: Float64Array.of(-1.7, 0, 2.7) }
    expect(toTensor(value, 'int64').data).toEqual(BigInt64Array.of(-1n, 0n, 2n))
    expect(toTensor(value, 'int8').data).toEqual(Int8Array.of(-1, 0, 2))
    expect(toTensor(value, 'bool').data).toEqual(Uint8Array.of(1, 0, 1))
  })
})

describe('evaluate', () => {
  const graph: Graph = {
    name: 'difference',
    inputs: [
      { name: 'a', dtype: 'float32', dims: ['batch', 2] },
      { name: 'b', dtype: 'float32', dims: ['batch', 1] },
    ],
    outputs: [{ name: 'y', dtype: 'float32', dims: ['batch', 2] }],
    initializers: {},
    nodes: [{ op: 'Sub', name: 'sub', inputs: ['a', 'b'], outputs: ['y'], attributes: {} }],
  }

  it('takes tensors and values', () => {
    const a: Float64Value = { dims: [1, 2], data: Float64Array.of(5, 7) }
    expect(evaluate(graph, { a, b: matrix([1]) }).y).toMatchObject({ dims: [1, 2], data: Float64Array.of(4, 6) })
  })

  it('names the feed whose shape is not what the graph says', () => {
    expect(() => evaluate(graph, { a: matrix([1, 2, 3]), b: matrix([1]) })).toThrow(
      'feed "a" of graph "difference": expected [batch, 2], got [1, 3]',
    )
    expect(() => evaluate(graph, { a: f(1, 2), b: matrix([1]) })).toThrow('feed "a" of graph "difference": expected [batch, 2], got [2]')
  })

  it('holds a named dimension to one size', () => {
    expect(() => evaluate(graph, { a: matrix([1, 2], [3, 4]), b: matrix([1], [2], [3]) })).toThrow(
      'feed "b" of graph "difference": expected [batch = 2, 1], got [3, 1]',
    )
  })

  it('names the node of an index out of range, or of operands that do not fit', () => {
    const indexed: Graph = {
      ...graph,
      nodes: [{ op: 'Gather', name: 'pick', inputs: ['a', 'at'], outputs: ['y'], attributes: { axis: 1 } }],
      initializers: { at: ints(2) },
    }
    expect(() => evaluate(indexed, { a: matrix([1, 2]), b: matrix([1]) })).toThrow(
      'graph "difference": Gather "pick": indices: expected integers from -2 to 1, got 2',
    )
    const unfit: Graph = {
      ...graph,
      inputs: [graph.inputs[0]!],
      nodes: [{ ...graph.nodes[0]!, inputs: ['a', 'c'] } as Graph['nodes'][number]],
      initializers: { c: f(1, 2, 3) },
    }
    expect(() => evaluate(unfit, { a: matrix([1, 2]) })).toThrow(
      'graph "difference": Sub "sub": operands: expected shapes that broadcast, got [1, 2] and [3]',
    )
  })
})
