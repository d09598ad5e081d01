import { arrayTypes, type DataType, InvalidValueError, type Tensor } from '@niceflow/core'
import { SessionError } from '@niceflow/runtime'
import type * as Ort from 'onnxruntime-node'

let loaded: Promise<typeof Ort> | undefined

/** onnxruntime-node, loaded when it is first needed: its native library takes time, and is not there for every platform. */
export function onnxruntime(): Promise<typeof Ort> {
  loaded ??= import('onnxruntime-node').catch((cause: unknown) => {
    throw new SessionError(`onnxruntime-node does not load on ${process.platform}-${process.arch}: ${oneLine(cause)}`, {
      cause,
      remedy: 'it runs on Linux with glibc, macOS and Windows, on x64 and arm64',
    })
  })
  return loaded
}

/** Wraps a tensor without copying it. */
export function toOrt({ Tensor: OrtTensor }: typeof Ort, name: string, { dtype, dims, data }: Tensor): Ort.Tensor {
  if (data.buffer instanceof SharedArrayBuffer) {
    throw new InvalidValueError({ what: `input ${name}`, expected: 'memory of its own', got: 'a SharedArrayBuffer', remedy: 'copy it' })
  }
  return new OrtTensor(dtype as 'float32', data as Float32Array, dims)
}

/** Reads a tensor without copying it. Newer versions of Node hold float16 in arrays of that type; ours are the bits. */
export function fromOrt(name: string, { type, dims, data }: Ort.Tensor): Tensor {
  if (!(type in arrayTypes)) throw new SessionError(`output ${name}: elements of type ${type} are not supported`)
  const bits = data as Tensor['data']
  return {
    dtype: type as DataType,
    dims,
    data: type === 'float16' ? new Uint16Array(bits.buffer, bits.byteOffset, bits.length) : bits,
  } as Tensor
}

/** A native error's message in one line. */
export function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').trim()
}
