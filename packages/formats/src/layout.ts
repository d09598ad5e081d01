import { arrayTypes, type DataType, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { elements, InvalidFileError } from './bytes.ts'

/** How an array lies in a file, as its header says. */
export type ArrayLayout = {
  readonly dtype: DataType
  readonly dims: readonly number[]
  /** Where the elements begin, in bytes. */
  readonly offset: number
  readonly bigEndian: boolean
  /** True where the first axis runs fastest, else the last does. */
  readonly fortran: boolean
}

/**
 * The tensor of a layout's elements, or of some of its rows: rows of an array in Fortran order, taken from each of its columns, are such an
 * array themselves. Aligned little-endian elements in C order are a view of `bytes`.
 * @param bytes the elements of `dims`
 */
export function layoutTensor({ dtype, bigEndian, fortran }: ArrayLayout, dims: readonly number[], bytes: Uint8Array): Tensor {
  const data = elements(dtype, bytes, bigEndian)
  if (!fortran) return tensor(dtype, dims, data)
  // An array in Fortran order is one in C order of the reversed axes.
  const axes = dims.map((_, axis) => axis).reverse()
  return transpose(
    tensor(
      dtype,
      axes.map((axis) => dims[axis]!),
      data,
    ),
    axes,
  )
}

/** @throws InvalidFileError for a file of another length than its header says */
export function assertLength(format: string, { dtype, dims, offset }: ArrayLayout, bytes: number, source: string): void {
  const expected = offset + sizeOf(dims) * arrayTypes[dtype].BYTES_PER_ELEMENT
  if (bytes === expected) return
  throw new InvalidFileError(source, {
    what: `${bytes < expected ? 'truncated' : 'overlong'} ${format} file of ${dtype} [${dims.join(', ')}]`,
    expected: `${expected} bytes`,
    got: bytes,
  })
}

/**
 * A tensor with its axes in another order.
 * @param axes a permutation: axis i of what comes out is axis `axes[i]` of what goes in
 */
export function transpose<D extends DataType>({ dtype, dims, data }: Tensor<D>, axes: readonly number[]): Tensor<D> {
  const shape = axes.map((axis) => dims[axis]!)
  const strides = axes.map((axis) => sizeOf(dims.slice(axis + 1)))
  const [length, stride] = [shape.at(-1) ?? 1, strides.at(-1) ?? 1]
  const out = new arrayTypes[dtype as D](data.length)
  const index = shape.map(() => 0)
  for (let at = 0, from = 0; at < out.length; ) {
    for (let i = 0; i < length; i++) out[at++] = data[from + i * stride]!
    for (let axis = shape.length - 2; axis >= 0; axis--) {
      from += strides[axis]!
      index[axis]!++
      if (index[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return tensor(dtype as D, shape, out)
}
