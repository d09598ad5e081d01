import { permutation, sizeOf, streamKey, type Tensor, tensor, uniform } from '@niceflow/core'
import type { Graph, Node, Value } from './ir.ts'
import type { Attributes, OpType } from './operators.ts'

/**
 * One application of an operator to drawn tensors. Float32 inputs lie away from kinks, jumps, ties and the edges of domains, so that central
 * differences hold there; inputs of other types are constants.
 */
export type OperatorCase<Op extends OpType = OpType> = {
  readonly inputs: readonly (Tensor | undefined)[]
  readonly attributes: Attributes<Op>
  /** Positions of the inputs that must be initializers: shapes, axes, indices, and everything that is not a float. */
  readonly constantInputs?: readonly number[]
}

let stream = 0
const nextKey = () => streamKey(17, 'probe', stream++)

/** Uniform draws of (low, high). */
export function draws(dims: readonly number[], low = -1.5, high = 1.5): Tensor<'float32'> {
  return tensor(
    'float32',
    dims,
    uniform(nextKey(), sizeOf(dims)).map((u) => low + (high - low) * u),
  )
}

/**
 * Distinct numbers around zero in random order, (k + offset) * gap give or take a tenth of the gap: with offset 1/2 none is near a multiple
 * of the gap, and those of offset 1/2 keep away from those of offset 0.
 */
function spaced(dims: readonly number[], offset = 0.5, gap = 0.25): Tensor<'float32'> {
  const size = sizeOf(dims)
  const order = permutation(nextKey(), size)
  const jitter = uniform(nextKey(), size)
  const data = Float32Array.from(order, (k, i) => (k - Math.floor(size / 2) + offset + 0.2 * (jitter[i]! - 0.5)) * gap)
  return tensor('float32', dims, data)
}

/** Whole numbers with their shape, one axis when left out. */
function ints(values: readonly number[], dims: readonly number[] = [values.length]): Tensor<'int64'> {
  return tensor('int64', dims, BigInt64Array.from(values, BigInt))
}

function bools(values: readonly number[], dims: readonly number[] = [values.length]): Tensor<'bool'> {
  return tensor('bool', dims, Uint8Array.from(values))
}

const floats = (...values: number[]): Tensor<'float32'> => tensor('float32', [values.length], Float32Array.from(values))
const scalar = (value: number): Tensor<'float32'> => tensor('float32', [], Float32Array.of(value))

type Draw = (dims: readonly number[]) => Tensor<'float32'>
type Case = { readonly inputs: readonly Tensor[]; readonly attributes: Readonly<Record<never, never>> }

const unary = (draw: Draw): Case[] => [[], [5], [2, 3], [3, 1, 4], [2, 0, 3]].map((dims) => ({ inputs: [draw(dims)], attributes: {} }))

const shapePairs: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[3], [2, 3]],
  [
    [2, 1, 4],
    [3, 1],
  ],
  [[], [2, 2]],
  [[2, 2], []],
  [
    [4, 1],
    [1, 5],
  ],
  [[2, 3, 4], [4]],
  [
    [2, 0],
    [1, 1],
  ],
  [[], []],
]
const binary = (drawA: Draw, drawB: Draw = drawA): Case[] => shapePairs.map(([a, b]) => ({ inputs: [drawA(a), drawB(b)], attributes: {} }))
const whole = { inputs: [ints([7, -7, 9, 3]), ints([2, 2, -4, 3])], attributes: {}, constantInputs: [0, 1] }

const any: Draw = (dims) => draws(dims)
const positive: Draw = (dims) => draws(dims, 0.4, 2.5)
const apart: Draw = (dims) => spaced(dims)
const apartFromThose: Draw = (dims) => spaced(dims, 0)
/** Away from zero on both sides, and not too near it. */
const nonzero: Draw = (dims) => {
  const drawn = draws(dims, 0.5, 2)
  return tensor(
    'float32',
    dims,
    drawn.data.map((x, i) => (i % 2 ? -x : x)),
  )
}

const value = (name: string, dtype: Value['dtype'], dims: Value['dims']): Value => ({ name, dtype, dims })
function node<Op extends OpType>(op: Op, inputs: string[], outputs: string[], attributes: Attributes<Op>): Node {
  return { op, name: outputs[0], inputs, outputs, attributes } as unknown as Node
}

/** v <- tanh(v) * factor, stacking what tanh gave. */
const loopBody: Graph = {
  name: 'shrink',
  inputs: [value('i', 'int64', []), value('go', 'bool', []), value('v', 'float32', [2, 3])],
  outputs: [value('go_on', 'bool', []), value('v_next', 'float32', [2, 3]), value('bent', 'float32', [2, 3])],
  initializers: { factor: scalar(0.75) },
  nodes: [node('Identity', ['go'], ['go_on'], {}), node('Tanh', ['v'], ['bent'], {}), node('Mul', ['bent', 'factor'], ['v_next'], {})],
}

/** Counts n up by itself and goes on while the count is below 20. */
const whileBody: Graph = {
  name: 'double_while_small',
  inputs: [value('i', 'int64', []), value('go', 'bool', []), value('n', 'float32', [])],
  outputs: [value('go_on', 'bool', []), value('doubled', 'float32', []), value('seen', 'float32', []), value('turn', 'int64', [])],
  initializers: { limit: scalar(20) },
  nodes: [
    node('Add', ['n', 'n'], ['doubled'], {}),
    node('Less', ['doubled', 'limit'], ['go_on'], {}),
    node('Identity', ['n'], ['seen'], {}),
    node('Identity', ['i'], ['turn'], {}),
  ],
}

/** h <- tanh(h + x_t), y_t = h * w_t. */
const scanBody: Graph = {
  name: 'recur',
  inputs: [value('h', 'float32', [3]), value('x', 'float32', [3]), value('w', 'float32', [])],
  outputs: [value('h_next', 'float32', [3]), value('y', 'float32', [3])],
  initializers: {},
  nodes: [node('Add', ['h', 'x'], ['sum'], {}), node('Tanh', ['sum'], ['h_next'], {}), node('Mul', ['h_next', 'w'], ['y'], {})],
}

/** y_t = x_t squared: nothing carried. */
const mapBody: Graph = {
  name: 'square',
  inputs: [value('x', 'float32', [2])],
  outputs: [value('y', 'float32', [2])],
  initializers: {},
  nodes: [node('Mul', ['x', 'x'], ['y'], {})],
}

type Reduction = { readonly axes?: readonly number[]; readonly keepdims?: 0 | 1 }
const reductions: readonly Reduction[] = [
  {},
  { axes: [0] },
  { axes: [-1], keepdims: 0 },
  { axes: [0, 2], keepdims: 1 },
  { axes: [-2, 0], keepdims: 0 },
  { keepdims: 0 },
]
const reduce = (draw: Draw): { inputs: readonly Tensor[]; attributes: Reduction }[] =>
  reductions.map((attributes) => ({ inputs: [draw([2, 3, 4])], attributes }))

/** Random inputs for every operator, small enough to read and to difference. */
export const operatorCases: { readonly [Op in OpType]: readonly OperatorCase<Op>[] } = {
  Abs: unary(nonzero),
  Add: [...binary(any), whole],
  Cast: [
    { inputs: [draws([2, 3])], attributes: { to: 'float32' } },
    { inputs: [draws([4])], attributes: { to: 'float64' } },
    { inputs: [floats(-2.7, -0.4, 0.6, 3.9)], attributes: { to: 'int64' }, constantInputs: [0] },
    { inputs: [floats(-2.7, -0.4, 0, 3.9)], attributes: { to: 'bool' }, constantInputs: [0] },
    { inputs: [ints([3, -4, 0])], attributes: { to: 'float32' }, constantInputs: [0] },
    { inputs: [bools([1, 0, 1])], attributes: { to: 'float32' }, constantInputs: [0] },
  ],
  Clip: [
    { inputs: [spaced([3, 4]), scalar(-0.5), scalar(0.75)], attributes: {} },
    { inputs: [spaced([7]), undefined, scalar(0.25)], attributes: {} },
    { inputs: [spaced([7]), scalar(0)], attributes: {} },
    { inputs: [spaced([2, 2])], attributes: {} },
  ],
  Concat: [
    { inputs: [draws([2, 3]), draws([2, 1]), draws([2, 2])], attributes: { axis: 1 } },
    { inputs: [draws([2, 3]), draws([1, 3])], attributes: { axis: -2 } },
    { inputs: [draws([2, 1, 3]), draws([2, 0, 3]), draws([2, 4, 3])], attributes: { axis: 1 } },
    { inputs: [draws([4])], attributes: { axis: 0 } },
    { inputs: [ints([1, 2]), ints([3])], attributes: { axis: 0 }, constantInputs: [0, 1] },
  ],
  ConstantOfShape: [
    { inputs: [ints([2, 3])], attributes: {}, constantInputs: [0] },
    { inputs: [ints([4])], attributes: { value: floats(-1.5) }, constantInputs: [0] },
    { inputs: [ints([2, 1])], attributes: { value: ints([7]) }, constantInputs: [0] },
    { inputs: [ints([])], attributes: { value: floats(2.5) }, constantInputs: [0] },
  ],
  Div: [...binary(any, nonzero), whole],
  Exp: unary(any),
  Expand: [
    { inputs: [draws([3, 1]), ints([2, 3, 4])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([2, 3]), ints([1])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([]), ints([2, 2])], attributes: {}, constantInputs: [1] },
  ],
  Floor: unary((dims) => spaced(dims, 0.5, 1)),
  Gather: [
    { inputs: [draws([4, 3]), ints([2, 0, 2])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([2, 5]), ints([4, -1, 0, -5], [2, 2])], attributes: { axis: 1 }, constantInputs: [1] },
    { inputs: [draws([2, 3, 2]), ints([1], [])], attributes: { axis: -2 }, constantInputs: [1] },
    { inputs: [ints([5, 6, 7]), ints([1], [])], attributes: {}, constantInputs: [0, 1] },
  ],
  Gemm: [
    { inputs: [draws([2, 3]), draws([3, 4])], attributes: {} },
    { inputs: [draws([3, 2]), draws([3, 4]), draws([4])], attributes: { transA: 1, alpha: 0.5, beta: -2 } },
    { inputs: [draws([2, 3]), draws([4, 3]), draws([2, 1])], attributes: { transB: 1, beta: 0.25 } },
    { inputs: [draws([3, 2]), draws([4, 3]), draws([])], attributes: { transA: 1, transB: 1, alpha: -1.5 } },
    { inputs: [draws([2, 3]), draws([3, 4]), draws([2, 4])], attributes: {} },
    { inputs: [draws([2, 3]), draws([3, 4]), draws([1, 4])], attributes: {} },
  ],
  Greater: [...binary(apart, apartFromThose), whole],
  HardSigmoid: [...unary((dims) => draws(dims, -1.2, 1.2)), { inputs: [spaced([3, 4])], attributes: { alpha: 0.8, beta: 0.4 } }],
  Identity: unary(any),
  LeakyRelu: [...unary(nonzero), { inputs: [nonzero([2, 3])], attributes: { alpha: 0.2 } }],
  Less: [...binary(apart, apartFromThose), whole],
  Log: unary(positive),
  Loop: [
    { inputs: [ints([3], []), bools([1], []), draws([2, 3])], attributes: { body: loopBody }, constantInputs: [0, 1] },
    { inputs: [ints([0], []), bools([1], []), draws([2, 3])], attributes: { body: loopBody }, constantInputs: [0, 1] },
    { inputs: [ints([4], []), bools([0], []), draws([2, 3])], attributes: { body: loopBody }, constantInputs: [0, 1] },
    { inputs: [ints([9], []), bools([1], []), scalar(1.5)], attributes: { body: whileBody }, constantInputs: [0, 1] },
    { inputs: [undefined, bools([1], []), scalar(0.5)], attributes: { body: whileBody }, constantInputs: [1] },
    { inputs: [ints([3], []), undefined, scalar(0.5)], attributes: { body: whileBody }, constantInputs: [0] },
  ],
  MatMul: [
    { inputs: [draws([2, 3]), draws([3, 4])], attributes: {} },
    { inputs: [draws([2, 2, 3]), draws([3, 2])], attributes: {} },
    { inputs: [draws([2, 3]), draws([4, 3, 2])], attributes: {} },
    { inputs: [draws([2, 1, 2, 3]), draws([3, 3, 1])], attributes: {} },
    { inputs: [draws([2, 0]), draws([0, 3])], attributes: {} },
  ],
  Max: binary(apart, apartFromThose),
  Min: binary(apart, apartFromThose),
  Mul: [...binary(any), whole],
  Neg: unary(any),
  Pow: [...binary(positive, any), { inputs: [nonzero([2, 3]), scalar(2)], attributes: {}, constantInputs: [1] }],
  Reciprocal: unary(nonzero),
  ReduceMax: reduce(apart),
  ReduceMean: reduce(any),
  ReduceSum: [
    { inputs: [draws([2, 3, 4])], attributes: {} },
    { inputs: [draws([2, 3, 4]), ints([0])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([2, 3, 4]), ints([-1])], attributes: { keepdims: 0 }, constantInputs: [1] },
    { inputs: [draws([2, 3, 4]), ints([2, 0])], attributes: { keepdims: 1 }, constantInputs: [1] },
    { inputs: [draws([2, 3, 4]), ints([-2, 0])], attributes: { keepdims: 0 }, constantInputs: [1] },
    { inputs: [draws([2, 3, 4])], attributes: { keepdims: 0 } },
    { inputs: [draws([2, 0, 4]), ints([1])], attributes: {}, constantInputs: [1] },
  ],
  Relu: unary(nonzero),
  Reshape: [
    { inputs: [draws([2, 6]), ints([3, 4])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([2, 3, 4]), ints([0, -1])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([1, 1]), ints([])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([4]), ints([-1, 2, 1])], attributes: {}, constantInputs: [1] },
  ],
  Scan: [
    { inputs: [draws([3]), draws([5, 3]), draws([5])], attributes: { body: scanBody, num_scan_inputs: 2 } },
    { inputs: [draws([4, 2])], attributes: { body: mapBody, num_scan_inputs: 1 } },
  ],
  ScatterElements: [
    { inputs: [draws([3, 3]), ints([1, 0, 2, 0, 2, 1], [2, 3]), draws([2, 3])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([2, 4]), ints([3, -4, 1, 1], [2, 2]), draws([2, 2])], attributes: { axis: 1, reduction: 'add' }, constantInputs: [1] },
    { inputs: [draws([5]), ints([2, 2, -1]), draws([3])], attributes: { axis: -1, reduction: 'add' }, constantInputs: [1] },
    { inputs: [draws([2, 3, 2]), ints([2, 0, 1, 1], [2, 1, 2]), draws([2, 1, 2])], attributes: { axis: -2 }, constantInputs: [1] },
  ],
  Shape: unary(any),
  Size: unary(any),
  Sigmoid: unary(any),
  Sign: unary(nonzero),
  Slice: [
    { inputs: [draws([5, 4]), ints([1]), ints([4])], attributes: {}, constantInputs: [1, 2] },
    { inputs: [draws([5, 4]), ints([0, 1]), ints([5, 4]), ints([0, -1]), ints([2, 2])], attributes: {}, constantInputs: [1, 2, 3, 4] },
    { inputs: [draws([2, 6]), ints([-1]), ints([-100]), ints([1]), ints([-2])], attributes: {}, constantInputs: [1, 2, 3, 4] },
    { inputs: [draws([3, 4]), ints([-2]), ints([1000]), ints([-1])], attributes: {}, constantInputs: [1, 2, 3] },
    { inputs: [draws([4, 2]), ints([3]), ints([1])], attributes: {}, constantInputs: [1, 2] },
    { inputs: [draws([4]), ints([-100]), ints([-100]), ints([0]), ints([-1])], attributes: {}, constantInputs: [1, 2, 3, 4] },
  ],
  Softplus: unary(any),
  Split: [
    { inputs: [draws([2, 5]), ints([3, 2])], attributes: { axis: 1 }, constantInputs: [1] },
    { inputs: [draws([4, 2]), ints([1, 0, 3])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([2, 4, 3]), ints([1, 1, 2])], attributes: { axis: -2 }, constantInputs: [1] },
  ],
  Sqrt: unary(positive),
  Squeeze: [
    { inputs: [draws([1, 3, 1]), ints([0])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([1, 3, 1]), ints([-1, 0])], attributes: {}, constantInputs: [1] },
  ],
  Sub: [...binary(any), whole],
  Tanh: unary(any),
  Transpose: [
    { inputs: [draws([2, 3])], attributes: {} },
    { inputs: [draws([2, 3, 4])], attributes: { perm: [1, 2, 0] } },
    { inputs: [draws([2, 3, 4])], attributes: {} },
    { inputs: [draws([3, 2, 2, 1])], attributes: { perm: [0, 3, 1, 2] } },
  ],
  Unsqueeze: [
    { inputs: [draws([2, 3]), ints([1])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([3]), ints([0, -1])], attributes: {}, constantInputs: [1] },
    { inputs: [draws([]), ints([0])], attributes: {}, constantInputs: [1] },
  ],
  Where: [
    { inputs: [bools([1, 0, 1, 0, 0, 1], [2, 3]), draws([2, 3]), draws([2, 3])], attributes: {}, constantInputs: [0] },
    { inputs: [bools([1, 0, 1]), draws([2, 1]), draws([])], attributes: {}, constantInputs: [0] },
    { inputs: [bools([0, 1], [2, 1, 1]), draws([3, 1]), draws([1, 4])], attributes: {}, constantInputs: [0] },
  ],
}
