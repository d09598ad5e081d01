import { type DataType, InvalidValueError, type Tensor } from '@niceflow/core'
import { bytesOf } from './bytes.ts'

/** The type of a tensor's numbers in a MAT-file, and the class of its array. */
const codes: { readonly [D in DataType]?: readonly [type: number, arrayClass: number] } = {
  float64: [9, 6],
  float32: [7, 7],
  int8: [1, 8],
  uint8: [2, 9],
  int32: [5, 12],
  int64: [12, 14],
}
const [miInt8, miInt32, miUint32, miMatrix, miCompressed] = [1, 5, 6, 14, 15] as const

/**
 * The bytes of a MAT-file of version 5, little-endian, as `readMat` reads it: **the axes of the tensors are MATLAB's in reverse**.
 * @param deflate does zlib: variables are compressed where it is given
 * @throws InvalidValueError for an element type that has no class of arrays here, and for fewer than two axes
 */
export function writeMat(arrays: Readonly<Record<string, Tensor>>, deflate?: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  const header = new Uint8Array(128).fill(0x20, 0, 116)
  header.set(ascii('MATLAB 5.0 MAT-file'))
  // Version 0x0100, and two letters that tell the order of bytes.
  header.set([0, 1, ...ascii('IM')], 124)
  const variables = Object.entries(arrays).map(([name, array]) => variable(name, array))
  return joined([header, ...variables.map((bytes) => (deflate ? element(miCompressed, deflate(bytes)) : bytes))])
}

function variable(name: string, array: Tensor): Uint8Array {
  const [type, arrayClass] = codes[array.dtype] ?? []
  if (type === undefined || arrayClass === undefined || array.dims.length < 2) {
    throw new InvalidValueError({
      what: `variable ${name}`,
      expected: `two axes or more of ${Object.keys(codes).join(', ')}`,
      got: `${array.dtype} [${array.dims.join(', ')}]`,
    })
  }
  const parts = [
    element(miUint32, new Uint8Array(Uint32Array.of(arrayClass, 0).buffer)),
    element(miInt32, new Uint8Array(Int32Array.from(array.dims).reverse().buffer)),
    element(miInt8, ascii(name)),
    element(type, bytesOf(array)),
  ]
  return element(miMatrix, joined(parts))
}

/** An element: up to four bytes stand in the tag itself; what is longer ends on a multiple of 8 bytes, unless it is compressed. */
function element(type: number, bytes: Uint8Array): Uint8Array {
  const small = bytes.length > 0 && bytes.length <= 4
  const length = small ? 8 : 8 + (type === miCompressed ? bytes.length : Math.ceil(bytes.length / 8) * 8)
  const out = new Uint8Array(length)
  const view = new DataView(out.buffer)
  view.setUint32(0, small ? (bytes.length << 16) | type : type, true)
  if (!small) view.setUint32(4, type === miMatrix ? length - 8 : bytes.length, true)
  out.set(bytes, small ? 4 : 8)
  return out
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
