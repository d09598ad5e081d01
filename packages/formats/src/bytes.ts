import { arrayTypes, type DataArrays, type DataType, NiceflowError, type Tensor } from '@niceflow/core'

/** A file whose bytes are not what its format says; `source` is its name. */
export class InvalidFileError extends NiceflowError {
  override readonly name = 'InvalidFileError'
  constructor(source: string, { what, expected, got, remedy = 'copy or download the file again', cause }: FileFault) {
    super(`${source}: ${what}: expected ${expected}, got ${got}`, { remedy, cause })
  }
}

export type FileFault = {
  readonly what: string
  readonly expected: string
  readonly got: string | number
  readonly remedy?: string
  readonly cause?: unknown
}

/** Bytes as people read them in a hex dump. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ') || 'nothing'
}

/** The memory of a tensor as bytes, not copied. JavaScript engines in use are little-endian, and so are these bytes. */
export function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** Bytes as elements: a view where byte order and alignment allow one, else a copy. */
export function elements<D extends DataType>(dtype: D, bytes: Uint8Array, bigEndian = false): DataArrays[D] {
  const ArrayType = arrayTypes[dtype]
  const width = ArrayType.BYTES_PER_ELEMENT
  const usable = bytes.byteOffset % width === 0 && !(bigEndian && width > 1)
  const source = usable ? bytes : new Uint8Array(bytes)
  if (bigEndian) swapBytes(source, width)
  return new ArrayType(source.buffer, source.byteOffset, source.byteLength / width)
}

/** Reverses the bytes of each element, in place. */
export function swapBytes(bytes: Uint8Array, width: number): void {
  if (width === 1) return
  for (let start = 0; start < bytes.length; start += width) {
    for (let low = start, high = start + width - 1; low < high; low++, high--) {
      const kept = bytes[low]!
      bytes[low] = bytes[high]!
      bytes[high] = kept
    }
  }
}

/** UTF-8 by means of the language alone: `TextDecoder` belongs to hosts. */
export function encodeUtf8(text: string): Uint8Array {
  const units = encodeURIComponent(text).match(/%..|./g) ?? []
  return Uint8Array.from(units, (unit) => (unit.length > 1 ? Number.parseInt(unit.slice(1), 16) : unit.charCodeAt(0)))
}

/** Characters that one call makes of codes; more would not fit on the stack. */
const charactersAtOnce = 4096

/** @throws URIError where the bytes are not UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const end = runEnd(bytes, at)
    const run = bytes.subarray(at, end)
    text +=
      bytes[at]! < 128
        ? String.fromCharCode(...run)
        : decodeURIComponent(run.reduce((escaped, byte) => `${escaped}%${byte.toString(16)}`, ''))
    at = end
  }
  return text
}

/** Where the run of bytes from `start` ends that are all of ASCII, or all not. */
function runEnd(bytes: Uint8Array, start: number): number {
  const ascii = bytes[start]! < 128
  const most = ascii ? Math.min(bytes.length, start + charactersAtOnce) : bytes.length
  let end = start + 1
  while (end < most && bytes[end]! < 128 === ascii) end++
  return end
}
