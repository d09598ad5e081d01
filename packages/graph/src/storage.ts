import type { Tensor } from '@niceflow/core'

/** Where a tensor's bytes lie in a weights file. */
export type StoredTensor = { readonly tensor: Tensor; readonly offset: number; readonly bytes: number }

/**
 * One file of weights that several graphs share (ONNX's external data): each tensor's bytes, little-endian, at a known place.
 * Written one after the other, `chunks` are the file; they share the tensors' memory.
 */
export type WeightsFile = {
  /** The file's name, beside the graphs. */
  readonly location: string
  readonly entries: Readonly<Record<string, StoredTensor>>
  readonly chunks: readonly Uint8Array[]
  readonly bytes: number
}

/**
 * ONNX Runtime maps an external tensor into memory instead of copying it where its offset is a multiple of the system's allocation granularity
 * (64 KiB on Windows, 4 KiB elsewhere; `model_saving_options.h` and onnx_ir's `external_data.py` align tensors of more than 1 MiB). Smaller
 * ones start on a cache line.
 */
const large = { from: 2 ** 20, alignment: 2 ** 16 }
const smallAlignment = 64

/** A tensor's bytes, sharing its memory. Every machine that runs JavaScript engines stores them little-endian, as ONNX does. */
export function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/**
 * Lays tensors out in one file, in order of their names, so that the same weights give the same bytes. Names that share one array share its
 * place.
 * @param location the file's name, beside the graphs that refer to it
 */
export function layoutWeights(named: Readonly<Record<string, Tensor>>, location: string): WeightsFile {
  const entries: Record<string, StoredTensor> = {}
  const offsets = new Map<Tensor['data'], number>()
  const chunks: Uint8Array[] = []
  let end = 0
  for (const [name, tensor] of Object.entries(named).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const bytes = tensor.data.byteLength
    const known = offsets.get(tensor.data)
    const alignment = bytes >= large.from ? large.alignment : smallAlignment
    const offset = known ?? Math.ceil(end / alignment) * alignment
    entries[name] = { tensor, offset, bytes }
    if (known !== undefined) continue
    offsets.set(tensor.data, offset)
    if (offset > end) chunks.push(new Uint8Array(offset - end))
    chunks.push(bytesOf(tensor))
    end = offset + bytes
  }
  return { location, entries, chunks, bytes: end }
}

/** Where the file holds this very tensor under this name, if it does. */
export function findStored(file: WeightsFile, name: string, tensor: Tensor): StoredTensor | undefined {
  const stored = Object.hasOwn(file.entries, name) ? file.entries[name] : undefined
  return stored && sameTensor(stored.tensor, tensor) ? stored : undefined
}

function sameTensor(a: Tensor, b: Tensor): boolean {
  if (a.dtype !== b.dtype || a.dims.join() !== b.dims.join()) return false
  if (a.data === b.data) return true
  const [left, right] = [bytesOf(a), bytesOf(b)]
  return left.every((byte, i) => byte === right[i])
}
