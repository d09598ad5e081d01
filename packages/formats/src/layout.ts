import { arrayTypes, type DataArrays, type DataType, sizeOf, type Tensor, tensor } from '@niceflow/core'
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
  return tensor(dtype, dims, fortran ? rowMajor(dtype, dims, data) : data)
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

/** Elements in Fortran order (first axis fastest), laid out row-major (last axis fastest). */
function rowMajor<D extends DataType>(dtype: D, dims: readonly number[], data: DataArrays[D]): DataArrays[D] {
  const out = new arrayTypes[dtype](data.length)
  const strides = dims.map((_, axis) => sizeOf(dims.slice(0, axis)))
  const index = dims.map(() => 0)
  for (let at = 0, from = 0; at < out.length; at++) {
    out[at] = data[from]!
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += strides[axis]!
      index[axis]!++
      if (index[axis]! < dims[axis]!) break
      from -= strides[axis]! * dims[axis]!
      index[axis] = 0
    }
  }
  return out
}
