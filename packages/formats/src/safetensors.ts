import { arrayTypes, type DataType, InvalidValueError, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { bytesOf, decodeUtf8, elements, encodeUtf8, InvalidFileError } from './bytes.ts'

/**
 * safetensors (https://github.com/huggingface/safetensors, "Format"): the header's length as a 64-bit integer, the header as JSON, then the
 * tensors, little-endian, which tile the rest of the file. The reference implementation writes tensors in this order of types, so that each
 * lies aligned to its element's width.
 */
const typeNames: Readonly<Record<DataType, string>> = {
  int64: 'I64',
  float64: 'F64',
  float32: 'F32',
  int32: 'I32',
  float16: 'F16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
}
const dataTypes = Object.keys(typeNames) as DataType[]

/** The reference implementation reads no longer header. */
const longestHeader = 100_000_000
const metadataKey = '__metadata__'

type Entry = {
  readonly name: string
  readonly dtype: DataType
  readonly dims: readonly number[]
  readonly begin: number
  readonly end: number
}

/** What a safetensors file holds. */
export type Safetensors = { readonly tensors: Readonly<Record<string, Tensor>>; readonly metadata: Readonly<Record<string, string>> }

/**
 * Reads a safetensors file. Tensors are views of `bytes` where their alignment allows it.
 * @param source the file's name, for messages
 * @throws InvalidFileError on a header that is no JSON of the format's form, names a key twice, or whose tensors do not tile the file exactly
 */
export function readSafetensors(bytes: Uint8Array, source: string): Safetensors {
  const { header, dataStart } = headerOf(bytes, source)
  const { [metadataKey]: metadata = {}, ...rest } = header
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw new InvalidFileError(source, { what: metadataKey, expected: 'an object of strings', got: JSON.stringify(metadata) })
  }
  const entries = Object.entries(rest).map(([name, value]) => entryOf(name, value, source))
  entries.sort((left, right) => left.begin - right.begin || left.end - right.end)
  let reached = 0
  for (const { name, begin, end } of entries) {
    if (begin !== reached) {
      const what = `tensor "${name}", ${begin < reached ? 'overlapping another' : 'after a gap'}`
      throw new InvalidFileError(source, { what, expected: `data from byte ${reached}`, got: `from byte ${begin}` })
    }
    reached = end
  }
  const available = bytes.length - dataStart
  if (reached !== available) {
    const what = available < reached ? 'truncated tensor data' : 'trailing bytes after the tensor data'
    throw new InvalidFileError(source, { what, expected: `${reached} bytes`, got: available })
  }
  const tensors = entries.map(({ name, dtype, dims, begin, end }): [string, Tensor] => {
    return [name, tensor(dtype, dims, elements(dtype, bytes.subarray(dataStart + begin, dataStart + end)))]
  })
  return { tensors: Object.fromEntries(tensors), metadata: metadata as Record<string, string> }
}

/**
 * The bytes of a safetensors file, in pieces to be written one after the other: the header, padded to a multiple of 8 bytes, then the
 * tensors' own memory, not copied. Tensors are ordered by type (widest first), then by name; metadata by key: equal contents, equal bytes.
 * @throws InvalidValueError for a tensor named `__metadata__`
 */
export function writeSafetensors(tensors: Readonly<Record<string, Tensor>>, metadata: Readonly<Record<string, string>> = {}): Uint8Array[] {
  const ordered = dataTypes.flatMap((type) =>
    Object.entries(tensors)
      .filter(([, { dtype }]) => dtype === type)
      .sort(byKey),
  )
  const texts = Object.entries(metadata).sort(byKey)
  const fields: Field[] = texts.length === 0 ? [] : [[metadataKey, jsonObject(texts.map(([key, text]) => [key, JSON.stringify(text)]))]]
  let end = 0
  for (const [name, { dtype, dims, data }] of ordered) {
    if (name === metadataKey) throw new InvalidValueError({ what: 'name of a tensor', expected: `anything but ${metadataKey}`, got: name })
    const begin = end
    end += data.byteLength
    fields.push([name, JSON.stringify({ dtype: typeNames[dtype], shape: dims, data_offsets: [begin, end] })])
  }
  const json = encodeUtf8(jsonObject(fields))
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20)
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true)
  header.set(json, 8)
  return [header, ...ordered.map(([, value]) => bytesOf(value))]
}

type Field = readonly [key: string, json: string]

/** A JSON object with its keys in the order given; `JSON.stringify` would put keys that look like integers first. */
function jsonObject(fields: readonly Field[]): string {
  return `{${fields.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`
}

function byKey([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function headerOf(bytes: Uint8Array, source: string): { readonly header: Record<string, unknown>; readonly dataStart: number } {
  const what = 'safetensors header'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = bytes.length < 8 ? 0 : Number(view.getBigUint64(0, true))
  const dataStart = 8 + length
  if (bytes.length < dataStart || length > longestHeader) {
    const expected = length > longestHeader ? `at most ${longestHeader} bytes` : `${dataStart} bytes`
    throw new InvalidFileError(source, { what, expected, got: length > longestHeader ? length : bytes.length })
  }
  let text: string
  let header: unknown
  try {
    text = decodeUtf8(bytes.subarray(8, dataStart))
    header = JSON.parse(text)
  } catch (cause) {
    throw new InvalidFileError(source, { what, expected: 'JSON', got: (cause as Error).message, cause })
  }
  if (!isObject(header)) throw new InvalidFileError(source, { what, expected: 'a JSON object', got: text.slice(0, 60) })
  const twice = duplicateKey(text)
  if (twice !== undefined) throw new InvalidFileError(source, { what, expected: 'each key once', got: `${twice} twice` })
  return { header, dataStart }
}

/** The first key that an object of valid JSON holds twice: `JSON.parse` would keep the last of them and say nothing. */
function duplicateKey(json: string): string | undefined {
  const open: Set<string>[] = []
  for (const [token, text, colon] of json.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}]/g)) {
    if (token === '{') open.push(new Set())
    else if (token === '}') open.pop()
    else if (text && colon) {
      const keys = open.at(-1)!
      const key: string = JSON.parse(text)
      if (keys.has(key)) return text
      keys.add(key)
    }
  }
  return undefined
}

function entryOf(name: string, value: unknown, source: string): Entry {
  const fault = (field: string, expected: string, got: unknown, remedy?: string): InvalidFileError => {
    const what = `${field} of tensor "${name}"`
    return new InvalidFileError(source, { what, expected, got: JSON.stringify(got) ?? 'nothing', ...(remedy && { remedy }) })
  }
  const { dtype: typeName, shape: dims, data_offsets: offsets } = isObject(value) ? value : {}
  const dtype = dataTypes.find((type) => typeNames[type] === typeName)
  if (!dtype) throw fault('dtype', Object.values(typeNames).join(', '), typeName, 'convert the tensor, for example to float32')
  if (!isSizes(dims)) throw fault('shape', 'an array of sizes', dims)
  if (!isSizes(offsets) || offsets.length !== 2) throw fault('data_offsets', '[begin, end]', offsets)
  const [begin, end] = offsets as [number, number]
  const bytes = sizeOf(dims) * arrayTypes[dtype].BYTES_PER_ELEMENT
  if (end - begin !== bytes) throw fault('data_offsets', `${bytes} bytes for ${typeName} [${dims.join(', ')}]`, offsets)
  return { name, dtype, dims, begin, end }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}
