import { arrayTypes, type DataType, sizeOf, type Tensor } from '@niceflow/core'
import { UnsupportedModelError } from './errors.ts'
import { bytesOf, findStored, type WeightsFile } from './storage.ts'

/** A 64-bit integer as protobufjs reads it: exact as two halves where it finds the package `long`, else a number. */
export type ProtoInteger = number | { readonly low: number; readonly high: number }

/** ONNX's TensorProto (onnx.proto, IR version 8), as far as niceflow reads and writes it. */
export type TensorProto = {
  name?: string | null
  dims?: ProtoInteger[] | null
  dataType?: number | null
  rawData?: Uint8Array | null
  floatData?: number[] | null
  int32Data?: number[] | null
  int64Data?: ProtoInteger[] | null
  doubleData?: number[] | null
  dataLocation?: number | null
  externalData?: { key?: string | null; value?: string | null }[] | null
}

/** Reads part of a file that holds weights. */
export type ReadExternal = (location: string, offset: number, length: number) => Uint8Array

const external = 1

/** TensorProto.DataType, by number. */
const typeNames =
  'UNDEFINED FLOAT UINT8 INT8 UINT16 INT16 INT32 INT64 STRING BOOL FLOAT16 DOUBLE UINT32 UINT64 COMPLEX64 COMPLEX128 BFLOAT16'.split(' ')

/** Each element type's name in TensorProto.DataType, and the field that holds its elements when they are not raw bytes. */
const elementTypes = {
  float32: { name: 'FLOAT', field: 'floatData' },
  float64: { name: 'DOUBLE', field: 'doubleData' },
  float16: { name: 'FLOAT16', field: 'int32Data' },
  int64: { name: 'INT64', field: 'int64Data' },
  int32: { name: 'INT32', field: 'int32Data' },
  int8: { name: 'INT8', field: 'int32Data' },
  uint8: { name: 'UINT8', field: 'int32Data' },
  bool: { name: 'BOOL', field: 'int32Data' },
} as const satisfies { readonly [D in DataType]: { readonly name: string; readonly field: keyof TensorProto } }

/** The number of an element type in ONNX files. */
export function encodeType(dtype: DataType): number {
  return typeNames.indexOf(elementTypes[dtype].name)
}

/** @throws UnsupportedModelError naming an element type that niceflow does not have */
export function decodeType(code: number | null | undefined, where: string): DataType {
  const name = typeNames[code ?? 0] ?? String(code)
  const found = (Object.keys(elementTypes) as DataType[]).find((dtype) => elementTypes[dtype].name === name)
  if (!found) throw new UnsupportedModelError(`${where}: element type ${name} is not one of ${Object.keys(elementTypes).join(', ')}`)
  return found
}

const int64Max = 2n ** 63n - 1n

export function decodeBigInt(value: ProtoInteger): bigint {
  // As a number the largest int64, which slices use for "to the end", has been rounded up.
  if (typeof value === 'number') return value >= Number(int64Max) ? int64Max : BigInt(value)
  return BigInt.asIntN(64, (BigInt(value.high) << 32n) | BigInt(value.low >>> 0))
}

/** @throws UnsupportedModelError for an integer beyond 2^53 */
export function decodeInteger(value: ProtoInteger, where: string): number {
  const number = Number(decodeBigInt(value))
  if (!Number.isSafeInteger(number)) throw new UnsupportedModelError(`${where}: the integer ${decodeBigInt(value)} is beyond 2^53`)
  return number
}

/** A tensor with its contents, or with a reference to them where the weights file holds it under this name. */
export function encodeTensor(name: string, tensor: Tensor, weights?: WeightsFile): TensorProto {
  const proto = { name, dims: [...tensor.dims], dataType: encodeType(tensor.dtype) }
  const stored = weights && findStored(weights, name, tensor)
  if (!stored) return { ...proto, rawData: bytesOf(tensor) }
  const place = { location: weights.location, offset: stored.offset, length: stored.bytes }
  const externalData = Object.entries(place).map(([key, value]) => ({ key, value: String(value) }))
  return { ...proto, dataLocation: external, externalData }
}

/** @throws UnsupportedModelError, or an Error saying how the contents do not fit the shape */
export function decodeTensor(proto: TensorProto, where: string, readExternal?: ReadExternal): Tensor {
  const dtype = decodeType(proto.dataType, where)
  const dims = (proto.dims ?? []).map((dim) => decodeInteger(dim, where))
  const [size, shape] = [sizeOf(dims), `the shape [${dims.join(', ')}]`]
  if (dims.some((dim) => dim < 0)) throw new Error(`${where}: expected sizes, got ${shape}`)
  const bytes = size * arrayTypes[dtype].BYTES_PER_ELEMENT
  const raw = proto.dataLocation === external ? readStored(proto, bytes, where, readExternal) : proto.rawData
  if (raw?.length) {
    if (raw.length !== bytes) throw new Error(`${where}: expected ${bytes} bytes for ${shape}, got ${raw.length}`)
    // A copy, so that the tensor neither keeps the whole file in memory nor starts where its type may not.
    return { dtype, dims, data: new arrayTypes[dtype](new Uint8Array(raw).buffer) } as Tensor
  }
  const values = proto[elementTypes[dtype].field] ?? []
  if (values.length !== size) throw new Error(`${where}: expected ${size} elements for ${shape}, got ${values.length}`)
  const data = new arrayTypes[dtype](size)
  values.forEach((value, i) => {
    data[i] = dtype === 'int64' ? decodeBigInt(value) : (value as number)
  })
  return { dtype, dims, data } as Tensor
}

function readStored(proto: TensorProto, expected: number, where: string, readExternal: ReadExternal | undefined): Uint8Array {
  const entries = Object.fromEntries((proto.externalData ?? []).map(({ key, value }) => [key ?? '', value ?? '']))
  const { location = '', offset = '0', length = String(expected) } = entries
  if (!/^[^/\\:]+$/.test(location) || location === '..' || location === '.') {
    throw new Error(`${where}: expected its weights in a file beside the model, got "${location}"`)
  }
  if (!readExternal) throw new Error(`${where}: its weights are in the file "${location}", which was not given`)
  if (Number(length) !== expected) throw new Error(`${where}: expected ${expected} bytes in "${location}", got a length of ${length}`)
  if (!/^\d+$/.test(offset)) throw new Error(`${where}: expected an offset in "${location}", got "${offset}"`)
  const bytes = readExternal(location, Number(offset), expected)
  if (bytes.length !== expected) throw new Error(`${where}: expected ${expected} bytes at ${offset} of "${location}", got ${bytes.length}`)
  return bytes
}
