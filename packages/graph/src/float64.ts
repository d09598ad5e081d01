import { arrayTypes, type DataType, InvalidValueError, sizeOf, type Tensor } from '@niceflow/core'
import { fromFloat16, toFloat16 } from './float16.ts'
import { arithmeticKernels } from './float64-arithmetic.ts'
import { type Float64Value, isInteger } from './float64-arrays.ts'
import { movementKernels } from './float64-movement.ts'
import { interpret, type KernelTable, oncePerTensor } from './interpreter.ts'
import { formatShape, type Graph, type Shape } from './ir.ts'
import { iterationKernels } from './iteration.ts'

/** A tensor's elements as float64 numbers. Integers beyond 2^53 lose digits. */
export function float64Value({ dtype, dims, data }: Tensor): Float64Value {
  const integer = isInteger(dtype)
  if (dtype === 'float64') return { dims, data, integer }
  if (dtype === 'float16') return { dims, data: Float64Array.from(data, fromFloat16), integer }
  return { dims, data: dtype === 'int64' ? Float64Array.from(data, Number) : new Float64Array(data), integer }
}

/** The elements of a value rounded to an element type: to the nearest float, or towards zero to an integer. */
export function toTensor<D extends DataType>({ dims, data }: Float64Value, dtype: D): Tensor<D> {
  const out = new arrayTypes[dtype](data.length) as { [index: number]: number | bigint }
  const write = writers[dtype] ?? Number
  for (let i = 0; i < data.length; i++) out[i] = write(data[i]!)
  return { dtype, dims, data: out } as unknown as Tensor<D>
}

const writers: { readonly [D in DataType]?: (value: number) => number | bigint } = {
  float16: toFloat16,
  int64: (value) => BigInt(Math.trunc(value)),
  bool: (value) => Number(value !== 0),
}

const scalar = (value: number, dtype: 'int64' | 'bool'): Float64Value => ({
  dims: [],
  data: Float64Array.of(value),
  integer: dtype === 'int64',
})

/** Float64 kernels for every operator: the reference that other engines are measured against. Memory is left to the garbage collector. */
export const float64Kernels: KernelTable<Float64Value> = {
  constant: oncePerTensor(float64Value),
  release: () => {},
  kernels: {
    ...arithmeticKernels,
    ...movementKernels,
    ...iterationKernels<Float64Value>({
      number: ({ data }) => data[0]!,
      scalar,
      copy: (value) => value,
      length: ({ dims }) => dims[0]!,
      row: ({ dims, data, integer }, index) => {
        const rest = dims.slice(1)
        return { dims: rest, data: data.subarray(index * sizeOf(rest), (index + 1) * sizeOf(rest)), integer }
      },
      stack: (rows, { dims }) => {
        // Without a row to look at, a dimension that only runs would tell is 0.
        const rest = rows[0]?.dims ?? dims.map((dim) => (typeof dim === 'number' ? dim : 0))
        const data = new Float64Array(rows.length * sizeOf(rest))
        rows.forEach((row, i) => {
          data.set(row.data, i * sizeOf(rest))
        })
        return { dims: [rows.length, ...rest], data, integer: rows[0]?.integer }
      },
      release: () => {},
    }),
  },
}

/**
 * Runs a graph in float64.
 * @param feeds a tensor or value for each input of the graph, shaped as it says; a named dimension is the same wherever it stands
 * @returns the outputs by name
 * @throws InvalidValueError for a feed that is missing, unknown or of another shape; KernelError naming the node that failed
 */
export function evaluate(graph: Graph, feeds: Readonly<Record<string, Tensor | Float64Value>>): Record<string, Float64Value> {
  const sizes = new Map<string, number>()
  for (const { name, dims } of graph.inputs) {
    if (!Object.hasOwn(feeds, name)) continue
    const expected = dims.map((dim) => (sizes.has(String(dim)) ? `${dim} = ${sizes.get(String(dim))}` : dim))
    const got = feeds[name]!.dims
    if (!fits(got, dims, sizes)) {
      throw new InvalidValueError({
        what: `feed "${name}" of graph "${graph.name}"`,
        expected: formatShape(expected),
        got: formatShape(got),
      })
    }
  }
  const values = Object.entries(feeds).map(([name, feed]) => [name, 'dtype' in feed ? float64Value(feed) : feed] as const)
  return interpret(graph, Object.fromEntries(values), float64Kernels)
}

/** Whether sizes are those of a shape, learning the sizes of named dimensions on the way. */
function fits(got: readonly number[], dims: Shape, sizes: Map<string, number>): boolean {
  return (
    got.length === dims.length &&
    dims.every((dim, axis) => {
      if (typeof dim === 'number') return dim === got[axis]
      if (!sizes.has(dim)) sizes.set(dim, got[axis]!)
      return sizes.get(dim) === got[axis]
    })
  )
}
