import { InvalidValueError, sizeOf } from '@niceflow/core'
import { normalizeAxis } from './broadcast.ts'
import {
  around,
  broadcastTo,
  commonShape,
  type Float64Kernels,
  type Float64Value,
  indexInto,
  integers,
  isInteger,
  rowMajor,
  strided,
  transpose,
} from './float64-arrays.ts'
import { formatShape } from './ir.ts'
import { sliceBounds } from './shape-rules.ts'

function slice(x: Float64Value, along: number, start: number, length: number, step = 1): Float64Value {
  const strides = rowMajor(x.dims)
  const dims = x.dims.map((dim, axis) => (axis === along ? length : dim))
  const stepped = strides.map((stride, axis) => (axis === along ? stride * step : stride))
  return { ...x, dims, data: strided(x.data, dims, stepped, start * strides[along]!) }
}

export type MovementOp =
  | 'Concat'
  | 'ConstantOfShape'
  | 'Expand'
  | 'Gather'
  | 'Identity'
  | 'Reshape'
  | 'ScatterElements'
  | 'Shape'
  | 'Size'
  | 'Slice'
  | 'Split'
  | 'Squeeze'
  | 'Transpose'
  | 'Unsqueeze'

/** The operators that move elements and compute nothing. */
export const movementKernels: Float64Kernels<MovementOp> = {
  Concat: (inputs, { axis: named }) => {
    const values = inputs as readonly Float64Value[]
    const { axis, outer } = around(values[0]!.dims, named)
    const dims = values[0]!.dims.map((dim, i) => (i === axis ? values.reduce((sum, value) => sum + value.dims[axis]!, 0) : dim))
    const out = new Float64Array(sizeOf(dims))
    const runs = values.map(({ data }) => ({ data, length: data.length / outer }))
    for (let row = 0, at = 0; row < outer; row++) {
      for (const { data, length } of runs) {
        out.set(data.subarray(row * length, (row + 1) * length), at)
        at += length
      }
    }
    return [{ ...values[0]!, dims, data: out }]
  },
  ConstantOfShape: ([shape], { value }) => {
    const dims = integers(shape)
    const filled = new Float64Array(sizeOf(dims)).fill(Number(value?.data[0] ?? 0))
    return [{ dims, data: filled, integer: isInteger(value?.dtype ?? 'float32') }]
  },
  Expand: ([x, shape]) => {
    const dims = commonShape([x!.dims, integers(shape)])
    return [{ ...x!, dims, data: broadcastTo(x!, dims) }]
  },
  Gather: ([x, indices], { axis: named = 0 }) => {
    const { axis, outer, along, inner } = around(x!.dims, named)
    const dims = [...x!.dims.slice(0, axis), ...indices!.dims, ...x!.dims.slice(axis + 1)]
    const starts = integers(indices).map((index) => indexInto(index, along) * inner)
    const out = new Float64Array(sizeOf(dims))
    for (let block = 0, at = 0; block < outer; block++) {
      for (const start of starts) {
        for (let i = block * along * inner + start, end = i + inner; i < end; i++) out[at++] = x!.data[i]!
      }
    }
    return [{ ...x!, dims, data: out }]
  },
  Identity: ([x]) => [x!],
  Reshape: ([x, shape]) => {
    const copied = integers(shape).map((dim, axis) => (dim === 0 ? x!.dims[axis]! : dim))
    const known = sizeOf(copied.filter((dim) => dim >= 0))
    const dims = copied.map((dim) => (dim >= 0 ? dim : known === 0 ? 0 : x!.data.length / known))
    if (sizeOf(dims) !== x!.data.length || !dims.every(Number.isInteger)) {
      throw new InvalidValueError({
        what: 'shape',
        expected: `as many elements as ${formatShape(x!.dims)}`,
        got: formatShape(integers(shape)),
      })
    }
    return [{ ...x!, dims }]
  },
  ScatterElements: ([x, indices, updates], { axis: named = 0, reduction = 'none' }) => {
    const { axis, along } = around(x!.dims, named)
    const [strides, own] = [rowMajor(x!.dims), rowMajor(indices!.dims)]
    const out = x!.data.slice()
    updates!.data.forEach((update, i) => {
      const to = own.reduce((sum, stride, k) => {
        const index = k === axis ? indexInto(indices!.data[i]!, along) : Math.floor(i / stride) % indices!.dims[k]!
        return sum + index * strides[k]!
      }, 0)
      out[to] = reduction === 'add' ? out[to]! + update : update
    })
    return [{ ...x!, data: out }]
  },
  Shape: ([x]) => [{ dims: [x!.dims.length], data: Float64Array.from(x!.dims), integer: true }],
  Size: ([x]) => [{ dims: [], data: Float64Array.of(sizeOf(x!.dims)), integer: true }],
  Slice: ([x, starts, ends, axes, steps]) => [
    integers(starts).reduce((value, from, i) => {
      const axis = normalizeAxis(axes?.data[i] ?? i, value.dims.length)
      const { start, end, step } = sliceBounds(from, ends!.data[i]!, steps?.data[i] ?? 1, value.dims[axis]!)
      return slice(value, axis, start, Math.max(0, Math.ceil((end - start) / step)), step)
    }, x!),
  ],
  Split: ([x, sizes], { axis = 0 }) => {
    let start = 0
    return integers(sizes).map((size) => {
      start += size
      return slice(x!, normalizeAxis(axis, x!.dims.length), start - size, size)
    })
  },
  Squeeze: ([x, axes]) => {
    const gone = new Set(integers(axes).map((axis) => normalizeAxis(axis, x!.dims.length)))
    return [{ ...x!, dims: x!.dims.filter((_, axis) => !gone.has(axis)) }]
  },
  Transpose: ([x], { perm }) => [transpose(x!, perm ?? [...x!.dims.keys()].reverse())],
  Unsqueeze: ([x, axes]) => {
    const rank = x!.dims.length + axes!.data.length
    const added = new Set(integers(axes).map((axis) => normalizeAxis(axis, rank)))
    const kept = x!.dims.values()
    return [{ ...x!, dims: Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : kept.next().value!)) }]
  },
}
