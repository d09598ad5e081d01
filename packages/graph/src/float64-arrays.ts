import { type DataType, InvalidValueError, sizeOf } from '@niceflow/core'
import { broadcastShapes, normalizeAxis, sameShape } from './broadcast.ts'
import type { Kernel } from './interpreter.ts'
import { formatShape } from './ir.ts'
import type { OpType } from './operators.ts'

/** A row-major array of numbers, whatever their type in the graph. Integers (not booleans) say so, because they divide differently. */
export type Float64Value = { readonly dims: readonly number[]; readonly data: Float64Array; readonly integer?: boolean | undefined }

/** Float64 kernels of some of the operators. */
export type Float64Kernels<Op extends OpType> = { readonly [O in Op]: Kernel<Float64Value, O> }

/** Whether an element type divides as integers do. */
export function isInteger(dtype: DataType): boolean {
  return !dtype.startsWith('float') && dtype !== 'bool'
}

/** The whole numbers that a shape, axes or indices hold. */
export function integers(value: Float64Value | undefined): readonly number[] {
  return Array.from(value?.data ?? [])
}

/** How far apart in memory neighbours along each axis of a row-major array are. */
export function rowMajor(dims: readonly number[]): readonly number[] {
  return dims.map((_, axis) => sizeOf(dims.slice(axis + 1)))
}

/** A copy of the elements `data[offset + sum of index * stride]`: transposes, slices, broadcasts and reversals are nothing but strides. */
export function strided(data: Float64Array, dims: readonly number[], strides: readonly number[], offset = 0): Float64Array {
  const out = new Float64Array(sizeOf(dims))
  const columns = dims.at(-1) ?? 1
  const step = strides.at(-1) ?? 0
  let at = 0
  const fill = (axis: number, from: number): void => {
    if (axis < dims.length - 1) {
      for (let i = 0; i < dims[axis]!; i++) fill(axis + 1, from + i * strides[axis]!)
    } else if (step === 1) {
      out.set(data.subarray(from, from + columns), at)
      at += columns
    } else {
      for (let i = 0; i < columns; i++) out[at++] = data[from + i * step]!
    }
  }
  if (out.length > 0) fill(0, offset)
  return out
}

/** The elements of `x` repeated to a shape that its own broadcasts to. */
export function broadcastTo(x: Float64Value, dims: readonly number[]): Float64Array {
  if (sameShape(x.dims, dims)) return x.data
  const missing = dims.length - x.dims.length
  const own = rowMajor(x.dims)
  return strided(
    x.data,
    dims,
    dims.map((_, axis) => (axis < missing || x.dims[axis - missing] === 1 ? 0 : own[axis - missing]!)),
  )
}

/** The shape that all values broadcast to. */
export function commonShape(shapes: readonly (readonly number[])[]): readonly number[] {
  return shapes.reduce((dims, next) => {
    const common = broadcastShapes(dims, next)
    if (!common)
      throw new InvalidValueError({ what: 'operands', expected: 'shapes that broadcast', got: shapes.map(formatShape).join(' and ') })
    return common as readonly number[]
  })
}

/** Applies a function of up to three numbers to values broadcast to one shape. */
export function elementwise(f: (a: number, b: number, c: number) => number, ...values: readonly Float64Value[]): Float64Value {
  const dims = commonShape(values.map((value) => value.dims))
  const [a, b, c] = values.map((value) => broadcastTo(value, dims))
  const out = new Float64Array(a!.length)
  const [second, third] = [b ?? a!, c ?? a!]
  for (let i = 0; i < out.length; i++) out[i] = f(a![i]!, second[i]!, third[i]!)
  return { dims, data: out, integer: values.at(-1)!.integer }
}

/**
 * Reduces axes (all, when left out or empty) by folding their elements.
 * @param start what an empty fold gives
 */
export function reduce(
  x: Float64Value,
  axes: readonly number[] | undefined,
  keepdims: number,
  start: number,
  fold: (a: number, b: number) => number,
): Float64Value {
  const rank = x.dims.length
  const gone = new Set(axes?.length ? axes.map((axis) => normalizeAxis(axis, rank)) : x.dims.keys())
  const order = [...x.dims.keys()].sort((a, b) => Number(gone.has(a)) - Number(gone.has(b)) || a - b)
  const { data } = transpose(x, order)
  const dims = keepdims ? x.dims.map((dim, axis) => (gone.has(axis) ? 1 : dim)) : x.dims.filter((_, axis) => !gone.has(axis))
  const out = new Float64Array(sizeOf(dims)).fill(start)
  const folded = data.length / out.length
  for (let i = 0, from = 0; i < out.length; i++) {
    let sum = start
    for (const end = from + folded; from < end; from++) sum = fold(sum, data[from]!)
    out[i] = sum
  }
  return { ...x, dims, data: out }
}

/** Axes reordered: axis i of the result is axis `order[i]` of `x`. */
export function transpose(x: Float64Value, order: readonly number[]): Float64Value {
  if (order.every((from, axis) => from === axis)) return x
  const strides = rowMajor(x.dims)
  const dims = order.map((axis) => x.dims[axis]!)
  return {
    ...x,
    dims,
    data: strided(
      x.data,
      dims,
      order.map((axis) => strides[axis]!),
    ),
  }
}

/** An array seen as [outer, along, inner] around one axis. */
export function around(dims: readonly number[], named: number): { axis: number; outer: number; along: number; inner: number } {
  const axis = normalizeAxis(named, dims.length)
  return { axis, outer: sizeOf(dims.slice(0, axis)), along: dims[axis]!, inner: sizeOf(dims.slice(axis + 1)) }
}

/** An index that may count from the end. */
export function indexInto(index: number, size: number): number {
  const at = index < 0 ? index + size : index
  if (at >= 0 && at < size) return at
  throw new InvalidValueError({ what: 'indices', expected: `integers from ${-size} to ${size - 1}`, got: index })
}
