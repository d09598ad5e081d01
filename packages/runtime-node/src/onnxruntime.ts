import { arrayTypes, type DataType, InvalidValueError, type Tensor } from '@niceflow/core'
import { type DeviceTensor, SessionError } from '@niceflow/runtime'
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

/** The native tensors behind those of a device. */
const native = new WeakMap<DeviceTensor, Ort.Tensor>()

/** A native tensor of a device's memory as sessions hand it out. */
export function onDevice(tensor: Ort.Tensor): DeviceTensor {
  const handle = { dtype: tensor.type as DataType, dims: tensor.dims, dispose: () => tensor.dispose() }
  native.set(handle, tensor)
  return handle
}

/** Wraps a tensor without copying it. */
export function toOrt({ Tensor: OrtTensor }: typeof Ort, name: string, feed: Tensor | DeviceTensor): Ort.Tensor {
  if (!('data' in feed)) return native.get(feed)!
  const { dtype, dims, data } = feed
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
