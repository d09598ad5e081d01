import { sizeOf, tensor } from '@niceflow/core'
import { normalizeAxis } from './broadcast.ts'
import type { Builder } from './builder.ts'
import { NotDifferentiableError } from './errors.ts'
import type { Node, Value } from './ir.ts'
import type { OpType } from './operators.ts'
import { sliceBounds } from './shape-rules.ts'

/** What a rule sees of its node: inputs x, first output y, and dy, the gradient of the target with respect to y. */
export type GradientContext<Op extends OpType = OpType> = {
  readonly g: Builder
  readonly node: Node<Op>
  readonly x: readonly (Value | undefined)[]
  readonly y: Value
  readonly dy: Value
  /** The gradient for each output; undefined where none flows. */
  readonly dys: readonly (Value | undefined)[]
}

/**
 * The vector-Jacobian product of each input, as a function that is called only when that gradient is wanted. An input without one (undefined,
 * or beyond the list) has gradient zero. Broadcasting is no rule's business: a gradient of the broadcast shape is summed to its input's.
 */
export type GradientRule<Op extends OpType = OpType> = (context: GradientContext<Op>) => readonly ((() => Value) | undefined)[]

const isFloat = ({ dtype }: { readonly dtype: string }): boolean => dtype.startsWith('float')

/** Constant almost everywhere: no gradient flows. */
const flat: GradientRule = () => []

const notDifferentiable =
  (why: string): GradientRule =>
  ({ node }) => {
    throw new NotDifferentiableError(`${node.op} "${node.name}"`, why)
  }

/** One number in every place of x's shape and type. */
export function fillLike(g: Builder, x: Value, fill: number): Value {
  const value = tensor(x.dtype, [])
  value.data[0] = fill
  const fixed = x.dims.filter((dim) => typeof dim === 'number')
  // By Expand, as WebGPU has no kernel for ConstantOfShape.
  return x.dims.length === 0 ? g.literal(value) : g.Expand(g.literal(value), fixed.length === x.dims.length ? fixed : g.Shape(x))
}

/** dy spread over the axes that a reduction took away. */
function unreduced({ g, x: [x], dy }: GradientContext, axes: readonly number[]): Value {
  const aligned = dy.dims.length === x!.dims.length ? dy : g.Unsqueeze(dy, axes)
  return g.Expand(
    aligned,
    axes.some((axis) => typeof x!.dims[axis] === 'string')
      ? g.Shape(x!)
      : x!.dims.map((dim, axis) => (axes.includes(axis) ? (dim as number) : 1)),
  )
}

/** The axes of a reduction, counted from the front; none given are all. */
function axesOf(x: Value, axes: readonly number[] | undefined): readonly number[] {
  return axes?.length ? axes.map((axis) => normalizeAxis(axis, x.dims.length)) : x.dims.map((_, axis) => axis)
}

function constantIntegers(g: Builder, name: string | undefined): readonly number[] | undefined {
  return name ? (g.dimensions(name) as readonly number[] | undefined) : undefined
}

/**
 * The gradient of taking elements along one axis: dx[…, taken[i], …] += dy[…, i, …]. Where each is taken once and which is known, that is
 * again a Gather: from dy with a slot of zeros behind it, for all that was not taken.
 */
function untake(g: Builder, x: Value, dy: Value, indices: Value, axis: number): Value {
  const size = x.dims[axis]
  const taken = constantIntegers(g, indices.name)?.map((i) => (i < 0 ? i + (size as number) : i))
  if (taken && typeof size === 'number' && new Set(taken).size === taken.length) {
    const slot = fillLike(g, g.Gather(dy, [0], { axis }), 0)
    const inverse = Array.from({ length: size }, (_, i) => (taken.includes(i) ? taken.indexOf(i) : taken.length))
    return g.Gather(taken.length < size ? g.Concat(dy, slot, { axis }) : dy, inverse, { axis })
  }
  const everywhere = g.Expand(
    g.Reshape(
      indices,
      x.dims.map((_, i) => (i === axis ? -1 : 1)),
    ),
    g.Shape(dy),
  )
  return g.ScatterElements(fillLike(g, x, 0), everywhere, dy, { axis, reduction: 'add' })
}

/**
 * A' of a matrix, written as a transpose of three axes: ONNX Runtime would fold one of two into Gemm's transA, whose kernel takes a quarter
 * longer than the transpose and a plain product together.
 */
function transposed(g: Builder, a: Value): Value {
  const [rows, columns] = a.dims.map((dim) => (typeof dim === 'string' ? -1 : dim)) as [number, number]
  const flipped = g.Transpose(g.Reshape(a, [1, rows, columns]), { perm: [0, 2, 1] })
  return g.Reshape(flipped, [columns, rows])
}

const swapLast = (g: Builder, x: Value): Value => {
  const perm = x.dims.map((_, axis) => axis)
  const last = perm.length - 1
  return g.Transpose(x, { perm: [...perm.slice(0, -2), last, last - 1] })
}

/** The calculus: one entry per operator, its derivative on the comment line above it. */
export const gradientRules: { readonly [Op in OpType]: GradientRule<Op> } = {
  // d|x| = -dx below zero, dx above; by Where, as WebGPU has no kernel for Sign
  Abs: ({ g, x: [x], dy }) => [() => g.Where(g.Less(x!, 0), g.Neg(dy), dy)],
  // d(a + b) = da + db
  Add: ({ dy }) => [() => dy, () => dy],
  // linear between floats; flat through integers and bool
  Cast: ({ g, node, x: [x], dy }) => ([x!, { dtype: node.attributes.to }].every(isFloat) ? [() => g.Cast(dy, { to: x!.dtype })] : []),
  // dx inside the bounds, d min below them, d max above
  Clip: ({ g, x: [x, min, max], dy }) => [
    () => {
      const above = min ? g.Where(g.Less(x!, min), 0, dy) : dy
      return max ? g.Where(g.Greater(x!, max), 0, above) : above
    },
    () => g.Where(g.Less(x!, min!), dy, 0),
    () => g.Where(g.Greater(x!, max!), dy, 0),
  ],
  // each part gets its part of dy
  Concat: ({ g, node, x, dy }) => {
    const axis = normalizeAxis(node.attributes.axis, dy.dims.length)
    const sizes = x.map((part) => part!.dims[axis]!)
    if (!sizes.every((size) => typeof size === 'number'))
      throw new NotDifferentiableError(`Concat "${node.name}"`, 'its parts are of unknown size')
    const parts = g.Split(dy, sizes, { axis })
    return parts.map((part) => () => part)
  },
  ConstantOfShape: flat,
  // d(a / b) = da / b - (a / b) db / b
  Div: ({ g, x: [, b], y, dy }) => [() => g.Div(dy, b!), () => g.Neg(g.Div(g.Mul(dy, y), b!))],
  // d e^x = e^x dx
  Exp: ({ g, y, dy }) => [() => g.Mul(dy, y)],
  // broadcasting: summed back
  Expand: ({ dy }) => [() => dy],
  Floor: flat,
  // dx[index] += dy
  Gather: ({ g, node, x: [x, indices], dy }) => [
    () => {
      const axis = normalizeAxis(node.attributes.axis ?? 0, x!.dims.length)
      if (indices!.dims.length === 1) return untake(g, x!, dy, indices!, axis)
      const count = sizeOf(indices!.dims as readonly number[])
      const oneAxis = x!.dims.map((dim, i) => (i === axis ? count : typeof dim === 'string' ? -1 : dim))
      return untake(g, x!, g.Reshape(dy, oneAxis), g.Reshape(indices!, [count]), axis)
    },
  ],
  // Y = alpha A B + beta C: dA = alpha dY B', dB = alpha A' dY, dC = beta dY; a transposed operand gets the transposed product
  Gemm: ({ g, node, x: [a, b], dy }) => {
    const { alpha = 1, beta = 1, transA = 0, transB = 0 } = node.attributes
    const flipB = transB ? 0 : 1
    return [
      () =>
        transA ? g.Gemm(b!, dy, undefined, { alpha, transA: transB, transB: 1 }) : g.Gemm(dy, b!, undefined, { alpha, transB: flipB }),
      () =>
        transB
          ? g.Gemm(dy, a!, undefined, { alpha, transA: 1, transB: transA })
          : g.Gemm(transA ? a! : transposed(g, a!), dy, undefined, { alpha }),
      () => (beta === 1 ? dy : g.Mul(dy, beta)),
    ]
  },
  Greater: flat,
  // alpha dx where 0 < y < 1, 0 outside
  HardSigmoid: ({ g, node, y, dy }) => [
    () => g.Mul(g.Where(g.Less(y, 1), g.Where(g.Greater(y, 0), dy, 0), 0), node.attributes.alpha ?? 0.2),
  ],
  Identity: ({ dy }) => [() => dy],
  // dx where x > 0, alpha dx elsewhere
  LeakyRelu: ({ g, node, x: [x], dy }) => [() => g.Where(g.Greater(x!, 0), dy, g.Mul(dy, node.attributes.alpha ?? 0.01))],
  Less: flat,
  // d ln x = dx / x
  Log: ({ g, x: [x], dy }) => [() => g.Div(dy, x!)],
  Loop: notDifferentiable('differentiate inside its body'),
  // dA = dY B', dB = A' dY, over the last two axes
  MatMul: ({ g, x: [a, b], dy }) => [() => g.MatMul(dy, swapLast(g, b!)), () => g.MatMul(swapLast(g, a!), dy)],
  // the larger one gets dy
  Max: ({ g, x: [a, b], dy }) => [() => g.Where(g.Less(a!, b!), 0, dy), () => g.Where(g.Less(a!, b!), dy, 0)],
  // the smaller one gets dy
  Min: ({ g, x: [a, b], dy }) => [() => g.Where(g.Greater(a!, b!), 0, dy), () => g.Where(g.Greater(a!, b!), dy, 0)],
  // d(a b) = b da + a db
  Mul: ({ g, x: [a, b], dy }) => [() => g.Mul(dy, b!), () => g.Mul(dy, a!)],
  Neg: ({ g, dy }) => [() => g.Neg(dy)],
  // d a^b = b a^(b-1) da + a^b ln(a) db, the last for a > 0
  Pow: ({ g, x: [a, b], y, dy }) => [() => g.Mul(g.Mul(dy, b!), g.Pow(a!, g.Sub(b!, 1))), () => g.Mul(g.Mul(dy, y), g.Log(a!))],
  // d(1/x) = -dx / x^2
  Reciprocal: ({ g, y, dy }) => [() => g.Neg(g.Mul(dy, g.Mul(y, y)))],
  // the largest elements get dy
  ReduceMax: (context) => [
    () => {
      const { g, node, x, y, dy } = context
      const axes = axesOf(x[0]!, node.attributes.axes)
      const largest = unreduced({ ...context, dy: y }, axes)
      return g.Where(g.Less(x[0]!, largest), 0, unreduced({ ...context, dy }, axes))
    },
  ],
  // every element gets dy / n
  ReduceMean: (context) => [
    () => {
      const { g, node, x } = context
      const axes = axesOf(x[0]!, node.attributes.axes)
      const sizes = axes.map((axis) => x[0]!.dims[axis]!)
      if (sizes.every((size) => typeof size === 'number')) return g.Mul(unreduced(context, axes), 1 / sizeOf(sizes))
      return g.Div(unreduced(context, axes), g.ReduceSum(fillLike(g, x[0]!, 1), axes, { keepdims: 1 }))
    },
  ],
  // every element gets dy
  ReduceSum: (context) => [() => unreduced(context, axesOf(context.x[0]!, constantIntegers(context.g, context.node.inputs[1])))],
  // dx where x > 0; the step function of y >= 0 as a steep ramp, which runtimes compute several times faster than Sign or Where
  Relu: ({ g, y, dy }) => [() => g.Mul(dy, g.HardSigmoid(y, { alpha: 1e38, beta: 0 }))],
  Reshape: ({ g, x: [x], dy }) => [() => g.Reshape(dy, g.shapeOf(x!))],
  Scan: notDifferentiable('differentiate inside its body'),
  ScatterElements: notDifferentiable('no operator of the list gathers element by element'),
  Shape: flat,
  // d sigma = sigma (1 - sigma) dx
  Sigmoid: ({ g, y, dy }) => [() => g.Mul(dy, g.Mul(y, g.Sub(1, y)))],
  Sign: flat,
  // the elements that were taken get dy
  Size: flat,
  Slice: ({ g, node, x: [x], dy }) => [
    () => {
      if (dy.dims.includes(0)) return fillLike(g, x!, 0)
      const [starts, ends, axes, steps] = [1, 2, 3, 4].map((i) => constantIntegers(g, node.inputs[i]))
      const like = [...dy.dims]
      return (axes ?? starts!.map((_, i) => i)).reduce((gradient, named, i) => {
        const axis = normalizeAxis(named, like.length)
        const size = x!.dims[axis] as number
        const { start, step } = sliceBounds(starts![i]!, ends![i]!, steps?.[i] ?? 1, size)
        const taken = Array.from({ length: dy.dims[axis] as number }, (_, k) => start + k * step)
        like[axis] = size
        return untake(g, { ...x!, dims: [...like] }, gradient, g.Identity(taken), axis)
      }, dy)
    },
  ],
  // d ln(1 + e^x) = sigma(x) dx
  Softplus: ({ g, x: [x], dy }) => [() => g.Mul(dy, g.Sigmoid(x!))],
  // the parts' gradients side by side, zeros for the parts without one
  Split: ({ g, node, dys }) => [
    () => {
      const parts = dys.map((dy, i) => dy ?? fillLike(g, g.find(node.outputs[i]!), 0))
      return g.Concat(...parts, { axis: node.attributes.axis ?? 0 })
    },
  ],
  // d sqrt(x) = dx / (2 sqrt(x))
  Sqrt: ({ g, y, dy }) => [() => g.Div(g.Mul(dy, 0.5), y)],
  Squeeze: ({ g, x: [x], dy }) => [() => g.Reshape(dy, g.shapeOf(x!))],
  // d(a - b) = da - db
  Sub: ({ g, dy }) => [() => dy, () => g.Neg(dy)],
  // d tanh = (1 - tanh^2) dx
  Tanh: ({ g, y, dy }) => [() => g.Mul(dy, g.Sub(1, g.Mul(y, y)))],
  Transpose: ({ g, node, dy }) => [
    () => {
      const { perm } = node.attributes
      return perm ? g.Transpose(dy, { perm: perm.map((_, axis) => perm.indexOf(axis)) }) : g.Transpose(dy)
    },
  ],
  Unsqueeze: ({ g, x: [x], dy }) => [() => g.Reshape(dy, g.shapeOf(x!))],
  // dx where the condition holds, dy elsewhere
  Where: ({ g, x: [condition], dy }) => [undefined, () => g.Where(condition!, dy, 0), () => g.Where(condition!, 0, dy)],
}
