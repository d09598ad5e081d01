import { arrayTypes, type DataArrays, type DataType, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { InvalidFileError, swapBytes } from './bytes.ts'

/**
 * MAT-files of version 5, which MATLAB writes as "-v6" and, compressed, as "-v7" (MathWorks, "MAT-File Format", chapter 1): a header of 128
 * bytes, then elements, each a type, a length and so many bytes. A variable is an element of other elements; a compressed one, a zlib stream
 * of it.
 */
const headerBytes = 128
const [miMatrix, miCompressed] = [14, 15]

/** How the numbers of an element are stored, by its type. MATLAB stores arrays as narrow as their values allow. */
const storedTypes = {
  1: Int8Array,
  2: Uint8Array,
  3: Int16Array,
  4: Uint16Array,
  5: Int32Array,
  6: Uint32Array,
  7: Float32Array,
  9: Float64Array,
  12: BigInt64Array,
} as const

/** What the classes of arrays become here, by their code; those of 16 bits, and unsigned ones of 32, what holds their values. */
const arrayClasses: Readonly<Record<number, DataType>> = {
  6: 'float64',
  7: 'float32',
  8: 'int8',
  9: 'uint8',
  10: 'int32',
  11: 'int32',
  12: 'int32',
  13: 'float64',
  14: 'int64',
}
const otherClasses = ['', 'a cell array', 'a struct', 'an object', 'text', 'a sparse array']
const complexFlag = 0x800

/** Undoes zlib: hosts have their own ways (`inflateSync` of `node:zlib`). @throws Error for what is no zlib stream */
export type Inflate = (bytes: Uint8Array) => Uint8Array

type Stored = InstanceType<(typeof storedTypes)[keyof typeof storedTypes]>
type Element = { readonly type: number; readonly bytes: Uint8Array }
type File = { readonly source: string; readonly bigEndian: boolean }

/**
 * Reads numeric arrays out of a MAT-file of version 5.
 * @param source the file's name, for messages
 * @param names of the variables that are wanted; others may be of any class
 * @returns the arrays by name, **their axes reversed**: MATLAB's first axis runs fastest, a tensor's last, and so no number is moved
 * @throws InvalidFileError for a file of another version, one that is damaged, and where a variable is missing or no array of real numbers
 */
export function readMat<Name extends string>(
  bytes: Uint8Array,
  source: string,
  names: readonly Name[],
  inflate: Inflate,
): Readonly<Record<Name, Tensor>> {
  const file = { source, bigEndian: byteOrder(bytes, source) }
  const found = new Map<string, Tensor>()
  const others: string[] = []
  for (const { type, bytes: body } of elementsOf(file, bytes.subarray(headerBytes), headerBytes)) {
    const element = type === miCompressed ? inflated(file, body, inflate) : { type, bytes: body }
    if (element.type !== miMatrix) continue
    const parts = [...elementsOf(file, element.bytes)]
    const name = String.fromCharCode(...(parts[2]?.bytes ?? []))
    if ((names as readonly string[]).includes(name)) found.set(name, arrayOf(file, name, parts))
    else others.push(name)
  }
  const missing = names.find((name) => !found.has(name))
  if (missing !== undefined) {
    const got = [...found.keys(), ...others].join(', ') || 'none'
    throw new InvalidFileError(source, { what: 'variables', expected: missing, got, remedy: 'give the MAT-file that holds it' })
  }
  return Object.fromEntries(found) as Record<Name, Tensor>
}

/** Whether numbers are big-endian, of a file of version 5. */
function byteOrder(bytes: Uint8Array, source: string): boolean {
  const refuse = (got: string, remedy?: string): never => {
    throw new InvalidFileError(source, { what: 'format', expected: 'a MAT-file of version 5', got, ...(remedy && { remedy }) })
  }
  const convert = "save it again: save(file, '-v7') in MATLAB, scipy.io.savemat in Python"
  const text = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to))
  if (text(0, 10) === 'MATLAB 7.3' || text(1, 4) === 'HDF') refuse('version 7.3, which is HDF5', convert)
  const order = text(126, 128)
  if (bytes.length >= headerBytes && (order === 'IM' || order === 'MI')) return order === 'MI'
  // Version 4 begins with a number below 5,000, the other two with text.
  if (bytes.length >= 20 && (bytes[0] === 0 || bytes[3] === 0)) refuse('what may be version 4, or no MAT-file', convert)
  return refuse(`${bytes.length} bytes without its header`)
}

/** The elements in a row of bytes; `start` is where they lie in the file, for messages. */
function* elementsOf({ source, bigEndian }: File, bytes: Uint8Array, start?: number): Generator<Element> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length; ) {
    const where = start === undefined ? 'element of a variable' : `element at byte ${start + at}`
    if (bytes.length - at < 8) throw truncated(source, where, 8, bytes.length - at)
    const word = view.getUint32(at, !bigEndian)
    // Up to four bytes stand in the tag itself.
    const small = word >>> 16
    const [type, length, from] = small > 0 ? [word & 0xffff, small, at + 4] : [word, view.getUint32(at + 4, !bigEndian), at + 8]
    if (from + length > bytes.length) throw truncated(source, where, length, bytes.length - from)
    yield { type, bytes: bytes.subarray(from, from + length) }
    at = small > 0 ? at + 8 : from + (type === miCompressed ? length : Math.ceil(length / 8) * 8)
  }
}

function truncated(source: string, where: string, expected: number, got: number): InvalidFileError {
  return new InvalidFileError(source, { what: `truncated ${where}`, expected: `${expected} bytes`, got })
}

function inflated(file: File, bytes: Uint8Array, inflate: Inflate): Element {
  let whole: Uint8Array
  try {
    whole = inflate(bytes)
  } catch (cause) {
    throw new InvalidFileError(file.source, { what: 'compressed variable', expected: 'a whole zlib stream', got: (cause as Error).message })
  }
  return [...elementsOf(file, whole)][0] ?? { type: 0, bytes: whole }
}

/** The array of a variable: its class and flags, its dimensions, its name, its numbers. */
function arrayOf({ source, bigEndian }: File, name: string, [flags, size, , real]: readonly Element[]): Tensor {
  const what = `variable ${name}`
  const [word = 0] = numbersOf(flags, bigEndian) as Uint32Array
  const dtype = arrayClasses[word & 0xff]
  if (!dtype || (word & complexFlag) !== 0) {
    const got = dtype ? 'complex numbers' : (otherClasses[word & 0xff] ?? `class ${word & 0xff}`)
    throw new InvalidFileError(source, { what, expected: 'an array of real numbers', got: got || 'none', remedy: 'convert the variable' })
  }
  const dims = Array.from(numbersOf(size, bigEndian), Number)
  const stored = numbersOf(real, bigEndian)
  if (stored.length !== sizeOf(dims)) {
    throw new InvalidFileError(source, { what, expected: `${sizeOf(dims)} numbers for [${dims.join(', ')}]`, got: stored.length })
  }
  return tensor(dtype, dims.reverse(), converted(dtype, stored))
}

function converted(dtype: DataType, stored: Stored): DataArrays[DataType] {
  const ArrayType = arrayTypes[dtype]
  if (stored instanceof ArrayType) return stored
  if (dtype === 'int64') return BigInt64Array.from(stored, BigInt)
  const data = new ArrayType(stored.length) as Float64Array
  data.set(stored as Float64Array)
  return data
}

/** The numbers of an element, as they are stored; none of an element that is not there, or holds others. */
function numbersOf(element: Element | undefined, bigEndian: boolean): Stored {
  const ArrayType = storedTypes[element?.type as keyof typeof storedTypes]
  if (!element || !ArrayType) return new Uint8Array()
  const width = ArrayType.BYTES_PER_ELEMENT
  // A copy where bytes must be swapped, or do not lie as an array needs them.
  const bytes = width === 1 ? element.bytes : element.bytes.slice()
  if (bigEndian) swapBytes(bytes, width)
  return new ArrayType(bytes.buffer as ArrayBuffer, bytes.byteOffset, Math.floor(bytes.length / width))
}
