import { InvalidValueError } from './error.ts'

/** Element types, named as ONNX Runtime's JavaScript API names them. */
export type DataType = 'float32' | 'float64' | 'float16' | 'int64' | 'int32' | 'int8' | 'uint8' | 'bool'

export type TypedArray = Float32Array | Float64Array | Uint16Array | BigInt64Array | Int32Array | Int8Array | Uint8Array

/** The array that holds each element type; float16 is kept as its 16 bits. */
export const arrayTypes: Readonly<{
  [D in DataType]: {
    new (length: number): DataArrays[D]
    new (buffer: ArrayBufferLike, offset?: number, length?: number): DataArrays[D]
    readonly BYTES_PER_ELEMENT: number
  }
}> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
}

export type DataArrays = {
  float32: Float32Array
  float64: Float64Array
  float16: Uint16Array
  int64: BigInt64Array
  int32: Int32Array
  int8: Int8Array
  uint8: Uint8Array
  bool: Uint8Array
}

/** A dense row-major array: `data.length` is the product of `dims`. */
export type Tensor<D extends DataType = DataType> = {
  [K in D]: { readonly dtype: K; readonly dims: readonly number[]; readonly data: DataArrays[K] }
}[D]

/** The number of elements of a shape. */
export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1)
}

/**
 * A tensor over `data` (zeros when left out).
 * @throws InvalidValueError when the data's length is not the product of `dims`.
 */
export function tensor<D extends DataType>(dtype: D, dims: readonly number[], data?: DataArrays[D]): Tensor<D> {
  const size = sizeOf(dims)
  const array = data ?? new arrayTypes[dtype](size)
  if (array.length !== size)
    throw new InvalidValueError({ what: `data of a ${dtype} tensor [${dims}]`, expected: `${size} elements`, got: array.length })
  return { dtype, dims, data: array } as unknown as Tensor<D>
}

/** Rows `start` to `end` (first axis) of a tensor, sharing its memory. */
export function rows<D extends DataType>(source: Tensor<D>, start: number, end: number): Tensor<D> {
  const stride = sizeOf(source.dims.slice(1))
  return { ...source, dims: [end - start, ...source.dims.slice(1)], data: source.data.subarray(start * stride, end * stride) } as Tensor<D>
}
