import { type DataType, sizeOf, type Tensor } from '@niceflow/core'
import { broadcastShapes, normalizeAxis, sameShape } from './broadcast.ts'
import { ShapeMismatchError } from './errors.ts'
import { type Dim, formatShape, type Node, type Shape, type Value } from './ir.ts'
import type { OpType } from './operators.ts'

/** What a rule may ask about its node. */
export type ShapeContext<Op extends OpType = OpType> = {
  readonly node: Node<Op>
  /** The inputs that are there, in order; an input left out is undefined. */
  readonly inputs: readonly (Value | undefined)[]
  /** An input's contents where they are known when the graph is built. */
  readonly constant: (input: number) => Tensor | undefined
  /** The dimensions that an input holds: a constant's integers, or what `Shape` returns. */
  readonly dimensions: (input: number) => Shape | undefined
}

export type OutputType = { readonly dtype: DataType; readonly dims: Shape }
type Rule<Op extends OpType = OpType> = (context: ShapeContext<Op>) => readonly OutputType[]

const label = (node: Node): string => `${node.op} "${node.name}"`

function fail(node: Node, expected: string, got: string): never {
  throw new ShapeMismatchError({ node: label(node), expected, got })
}

function input({ node, inputs }: ShapeContext, index: number): Value {
  return inputs[index] ?? fail(node, `an input ${index}`, 'none')
}

function axisOf(node: Node, axis: number, x: Value): number {
  const at = normalizeAxis(axis, x.dims.length)
  return at >= 0 && at < x.dims.length ? at : fail(node, `an axis of ${formatShape(x.dims)}`, String(axis))
}

function integers(context: ShapeContext, index: number, what: string): readonly number[] {
  const constant = context.constant(index)
  if (!constant) fail(context.node, `${what} known when the graph is built`, `the computed value "${context.inputs[index]?.name}"`)
  return Array.from(constant.data as ArrayLike<number | bigint>, Number)
}

function sameType(node: Node, a: Value, b: Value): DataType {
  return a.dtype === b.dtype ? a.dtype : fail(node, `one element type, ${a.dtype}`, `${b.dtype} in "${b.name}"`)
}

const unary: Rule = (context) => [input(context, 0)]

function broadcast(node: Node, values: readonly Value[]): Shape {
  return values
    .slice(1)
    .reduce<Shape>(
      (dims, value) =>
        broadcastShapes(dims, value.dims) ?? fail(node, 'shapes that broadcast', values.map((v) => formatShape(v.dims)).join(' and ')),
      values[0]!.dims,
    )
}

const binary: Rule = (context) => {
  const [a, b] = [input(context, 0), input(context, 1)]
  return [{ dtype: sameType(context.node, a, b), dims: broadcast(context.node, [a, b]) }]
}

const comparison: Rule = (context) => [{ dtype: 'bool', dims: binary(context)[0]!.dims }]

function reduced(node: Node, x: Value, axes: readonly number[] | undefined, keepdims = 1): OutputType {
  // No axes at all are all axes.
  const gone = new Set((axes?.length ? axes : x.dims.map((_, axis) => axis)).map((axis) => axisOf(node, axis, x)))
  const dims = keepdims ? x.dims.map((dim, axis) => (gone.has(axis) ? 1 : dim)) : x.dims.filter((_, axis) => !gone.has(axis))
  return { dtype: x.dtype, dims }
}

/** The product of the known sizes and the sorted names of the unknown ones, `batch*3` being both: equal for two shapes that hold equally many elements. */
function extent(dims: Shape): { size: number; names: readonly string[] } {
  const parts = dims.map((dim) => (typeof dim === 'number' ? { name: '', size: dim } : named(dim)))
  return { size: sizeOf(parts.map(({ size }) => size)), names: parts.flatMap(({ name }) => (name === '' ? [] : [name])).sort() }
}

function named(dim: string): { name: string; size: number } {
  const [name, size = '1'] = dim.split('*') as [string, string?]
  return { name, size: Number(size) }
}

function reshaped(node: Node, x: Value, target: Shape): Shape {
  const open = target.filter((dim) => typeof dim === 'number' && dim < 0)
  if (open.length > 1 || open.some((dim) => dim !== -1)) fail(node, 'sizes, one of them -1 at most', formatShape(target))
  const copied = target.map((dim, axis) => (dim === 0 ? (x.dims[axis] ?? fail(node, `an axis ${axis} to copy`, formatShape(x.dims))) : dim))
  const inferred = copied.indexOf(-1)
  const from = extent(x.dims)
  if (inferred < 0) {
    const to = extent(copied)
    return to.size === from.size && to.names.join() === from.names.join()
      ? copied
      : fail(node, `as many elements as ${formatShape(x.dims)}`, formatShape(copied))
  }
  const known = extent(copied.filter((_, axis) => axis !== inferred))
  const unknownNames = from.names.filter((name) => !known.names.includes(name))
  const ratio = from.size / known.size
  if (unknownNames.length > 1 || !Number.isInteger(ratio)) fail(node, `as many elements as ${formatShape(x.dims)}`, formatShape(target))
  const dim: Dim = unknownNames.length === 0 ? ratio : ratio === 1 ? unknownNames[0]! : `${unknownNames[0]}*${ratio}`
  return copied.map((kept, axis) => (axis === inferred ? dim : kept))
}

function matmul(node: Node, a: Shape, b: Shape): Shape {
  const got = `${formatShape(a)} x ${formatShape(b)}`
  if (a.length < 2 || b.length < 2) fail(node, 'two matrices', got)
  const [rows, inner] = a.slice(-2) as [Dim, Dim]
  const [shared, columns] = b.slice(-2) as [Dim, Dim]
  if (inner !== shared) fail(node, `inner dimensions that agree`, got)
  const batch = broadcastShapes(a.slice(0, -2), b.slice(0, -2)) ?? fail(node, 'batch dimensions that broadcast', got)
  return [...batch, rows, columns]
}

/** Outputs of a Loop or Scan: the carried values, which keep their types, and the rows that each iteration adds, stacked. */
function iterated(node: Node<'Loop' | 'Scan'>, carried: readonly (Value | undefined)[], offset: number, steps: Dim): OutputType[] {
  const { body } = node.attributes
  const results = body.outputs.slice(offset)
  carried.forEach((value, i) => {
    const result = results[i] ?? fail(node, `${carried.length} carried values out of its body`, String(results.length))
    if (value && (value.dtype !== result.dtype || !sameShape(value.dims, result.dims))) {
      fail(
        node,
        `the carried value "${value.name}" to stay ${value.dtype} ${formatShape(value.dims)}`,
        `${result.dtype} ${formatShape(result.dims)}`,
      )
    }
  })
  return results.map(({ dtype, dims }, i) => ({ dtype, dims: i < carried.length ? dims : [steps, ...dims] }))
}

/** Types and shapes of each operator's outputs from those of its inputs. */
export const shapeRules: { readonly [Op in OpType]: Rule<Op> } = {
  Abs: unary,
  Add: binary,
  Cast: (context) => [{ dtype: context.node.attributes.to, dims: input(context, 0).dims }],
  Clip: unary,
  Concat: (context) => {
    const { node } = context
    const values = context.inputs.map((_, i) => input(context, i))
    const first = values[0]!
    const axis = axisOf(node, node.attributes.axis, first)
    for (const value of values) {
      sameType(node, first, value)
      const fits = value.dims.length === first.dims.length && value.dims.every((dim, i) => i === axis || dim === first.dims[i])
      if (!fits) fail(node, `shapes that differ along axis ${axis} only`, values.map((v) => formatShape(v.dims)).join(' and '))
    }
    const along = values.map((value) => value.dims[axis]!)
    const total: Dim = along.every((dim) => typeof dim === 'number') ? along.reduce((sum, dim) => sum + dim, 0) : along.join('+')
    return [{ dtype: first.dtype, dims: first.dims.map((dim, i) => (i === axis ? total : dim)) }]
  },
  ConstantOfShape: (context) => [
    {
      dtype: context.node.attributes.value?.dtype ?? 'float32',
      dims: context.dimensions(0) ?? fail(context.node, 'a shape known when the graph is built', 'a computed one'),
    },
  ],
  Div: binary,
  Exp: unary,
  Expand: (context) => {
    const x = input(context, 0)
    const target = context.dimensions(1) ?? fail(context.node, 'a shape known when the graph is built', 'a computed one')
    const dims =
      broadcastShapes(x.dims, target) ?? fail(context.node, `a shape that ${formatShape(x.dims)} broadcasts to`, formatShape(target))
    return [{ dtype: x.dtype, dims }]
  },
  Floor: unary,
  Gather: (context) => {
    const [x, indices] = [input(context, 0), input(context, 1)]
    if (indices.dtype !== 'int64' && indices.dtype !== 'int32') fail(context.node, 'integer indices', indices.dtype)
    const axis = axisOf(context.node, context.node.attributes.axis ?? 0, x)
    const size = x.dims[axis]!
    const outside =
      typeof size === 'number' &&
      Array.from((context.constant(1)?.data ?? []) as ArrayLike<bigint>, Number).find((i) => i < -size || i >= size)
    if (typeof outside === 'number') fail(context.node, `indices below ${size}`, String(outside))
    return [{ dtype: x.dtype, dims: [...x.dims.slice(0, axis), ...indices.dims, ...x.dims.slice(axis + 1)] }]
  },
  Gemm: (context) => {
    const { node } = context
    const { transA, transB } = node.attributes
    const [a, b] = [input(context, 0), input(context, 1)]
    if (a.dims.length !== 2 || b.dims.length !== 2) fail(node, 'two matrices', `${formatShape(a.dims)} x ${formatShape(b.dims)}`)
    const dims = matmul(node, transA ? [...a.dims].reverse() : a.dims, transB ? [...b.dims].reverse() : b.dims)
    const c = context.inputs[2]
    if (c && !sameShape(broadcastShapes(c.dims, dims) ?? [], dims))
      fail(node, `a C that broadcasts to ${formatShape(dims)}`, formatShape(c.dims))
    return [{ dtype: sameType(node, a, b), dims }]
  },
  Greater: comparison,
  HardSigmoid: unary,
  Identity: unary,
  LeakyRelu: unary,
  Less: comparison,
  Log: unary,
  Loop: (context) => {
    const trips = context.constant(0)
    return iterated(context.node, context.inputs.slice(2), 1, trips ? Number(trips.data[0]) : `${context.node.name}_steps`)
  },
  MatMul: (context) => {
    const [a, b] = [input(context, 0), input(context, 1)]
    return [{ dtype: sameType(context.node, a, b), dims: matmul(context.node, a.dims, b.dims) }]
  },
  Max: binary,
  Min: binary,
  Mul: binary,
  Neg: unary,
  Pow: binary,
  Reciprocal: unary,
  ReduceMax: (context) => [reduced(context.node, input(context, 0), context.node.attributes.axes, context.node.attributes.keepdims)],
  ReduceMean: (context) => [reduced(context.node, input(context, 0), context.node.attributes.axes, context.node.attributes.keepdims)],
  ReduceSum: (context) => {
    const axes = context.inputs[1] && integers(context, 1, 'axes')
    return [reduced(context.node, input(context, 0), axes, context.node.attributes.keepdims)]
  },
  Relu: unary,
  Reshape: (context) => {
    const x = input(context, 0)
    const target = context.dimensions(1) ?? fail(context.node, 'a shape known when the graph is built', 'a computed one')
    return [{ dtype: x.dtype, dims: reshaped(context.node, x, target) }]
  },
  Scan: (context) => {
    const { num_scan_inputs: scanned } = context.node.attributes
    const carried = context.inputs.slice(0, context.inputs.length - scanned)
    const steps = input(context, carried.length).dims[0] ?? fail(context.node, 'scan inputs with a first axis', 'a scalar')
    return iterated(context.node, carried, 0, steps)
  },
  ScatterElements: (context) => {
    const [indices, updates] = [input(context, 1), input(context, 2)]
    if (!sameShape(indices.dims, updates.dims))
      fail(context.node, 'updates shaped as the indices', `${formatShape(indices.dims)} and ${formatShape(updates.dims)}`)
    return [input(context, 0)]
  },
  Shape: (context) => [{ dtype: 'int64', dims: [input(context, 0).dims.length] }],
  Sigmoid: unary,
  Sign: unary,
  Size: () => [{ dtype: 'int64', dims: [] }],
  Slice: (context) => {
    const x = input(context, 0)
    const [starts, ends] = [integers(context, 1, 'starts'), integers(context, 2, 'ends')]
    const axes = context.inputs[3] ? integers(context, 3, 'axes') : starts.map((_, i) => i)
    const steps = context.inputs[4] ? integers(context, 4, 'steps') : starts.map(() => 1)
    if (steps.includes(0)) fail(context.node, 'steps other than 0', `[${steps}]`)
    const dims = [...x.dims]
    axes.forEach((named, i) => {
      const axis = axisOf(context.node, named, x)
      const size = x.dims[axis]!
      if (typeof size === 'string') fail(context.node, 'an axis of known size', formatShape(x.dims))
      const { start, end, step } = sliceBounds(starts[i]!, ends[i]!, steps[i]!, size)
      dims[axis] = Math.max(0, Math.ceil((end - start) / step))
    })
    return [{ dtype: x.dtype, dims }]
  },
  Softplus: unary,
  Split: (context) => {
    const x = input(context, 0)
    const axis = axisOf(context.node, context.node.attributes.axis ?? 0, x)
    const sizes = integers(context, 1, 'sizes')
    const total = sizes.reduce((sum, size) => sum + size, 0)
    if (total !== x.dims[axis]) fail(context.node, `sizes that add up to ${x.dims[axis]}`, `${sizes.join(' + ')} = ${total}`)
    return sizes.map((size) => ({ dtype: x.dtype, dims: x.dims.map((dim, i) => (i === axis ? size : dim)) }))
  },
  Sqrt: unary,
  Squeeze: (context) => {
    const x = input(context, 0)
    const axes = new Set(integers(context, 1, 'axes').map((axis) => axisOf(context.node, axis, x)))
    for (const axis of axes) if (x.dims[axis] !== 1) fail(context.node, `an axis ${axis} of size 1`, formatShape(x.dims))
    return [{ dtype: x.dtype, dims: x.dims.filter((_, axis) => !axes.has(axis)) }]
  },
  Sub: binary,
  Tanh: unary,
  Transpose: (context) => {
    const x = input(context, 0)
    const perm = context.node.attributes.perm ?? x.dims.map((_, axis) => x.dims.length - 1 - axis)
    if ([...perm].sort((a, b) => a - b).some((axis, i) => axis !== i) || perm.length !== x.dims.length)
      fail(context.node, `a permutation of ${x.dims.length} axes`, `[${perm}]`)
    return [{ dtype: x.dtype, dims: perm.map((axis) => x.dims[axisOf(context.node, axis, x)]!) }]
  },
  Unsqueeze: (context) => {
    const x = input(context, 0)
    const rank = x.dims.length + integers(context, 1, 'axes').length
    const added = new Set(integers(context, 1, 'axes').map((axis) => normalizeAxis(axis, rank)))
    if (added.size + x.dims.length !== rank || [...added].some((axis) => axis < 0 || axis >= rank)) {
      fail(context.node, `distinct axes of ${rank}`, `[${integers(context, 1, 'axes')}]`)
    }
    const rest = [...x.dims]
    return [{ dtype: x.dtype, dims: Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.shift()!)) }]
  },
  Where: (context) => {
    const [condition, a, b] = [input(context, 0), input(context, 1), input(context, 2)]
    return [{ dtype: sameType(context.node, a, b), dims: broadcast(context.node, [condition, a, b]) }]
  },
}

/** A slice's first index, exclusive end and step, clamped as ONNX says. */
export function sliceBounds(start: number, end: number, step: number, size: number): { start: number; end: number; step: number } {
  const high = step > 0 ? size : size - 1
  const clamp = (index: number, low: number): number => Math.min(Math.max(index < 0 ? index + size : index, low), high)
  // Only the end of a backward slice may lie before the first element.
  return { start: clamp(start, 0), end: clamp(end, step > 0 ? 0 : -1), step }
}
