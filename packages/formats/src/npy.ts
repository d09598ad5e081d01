import { arrayTypes, type DataType, type Tensor } from '@niceflow/core'
import { bytesOf, encodeUtf8, hex, InvalidFileError } from './bytes.ts'
import { type ArrayLayout, assertLength, layoutTensor } from './layout.ts'

/**
 * NPY, NumPy's format of one array (NumPy Enhancement Proposal 1 and `numpy.lib.format`): a magic string, a version, the header's length,
 * a Python dictionary as text, then the elements.
 */
const magic = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59)

/** NumPy's names of the element types, without the byte order. */
const codes: Readonly<Record<DataType, string>> = {
  float32: 'f4',
  float64: 'f8',
  float16: 'f2',
  int64: 'i8',
  int32: 'i4',
  int8: 'i1',
  uint8: 'u1',
  bool: 'b1',
}
const dataTypes = Object.keys(codes) as DataType[]

/**
 * Reads an NPY file of version 1, 2 or 3, of either byte order. An aligned little-endian array in C order is a view of `bytes`; an array in
 * Fortran order is transposed.
 * @param source the file's name, for messages
 * @throws InvalidFileError on a wrong magic string or version, a header that cannot be read, an element type that tensors do not have, or a
 *   length other than what the header says
 */
export function readNpy(bytes: Uint8Array, source: string): Tensor {
  const layout = npyLayout(bytes, bytes.length, source)
  return layoutTensor(layout, layout.dims, bytes.subarray(layout.offset))
}

/**
 * What the header of an NPY file says.
 * @param bytes the file, or its beginning; a header of version 1 ends within 65,545 bytes
 * @param length of the whole file, bytes
 * @throws as `readNpy`
 */
export function npyLayout(bytes: Uint8Array, length: number, source: string): ArrayLayout {
  const start = bytes.subarray(0, magic.length)
  if (hex(start) !== hex(magic)) {
    const remedy = 'give a file that numpy.save wrote'
    throw new InvalidFileError(source, { what: 'NPY magic string', expected: hex(magic), got: hex(start), remedy })
  }
  const { text, end } = headerOf(bytes, source)
  const field = (name: string, pattern: string): string => {
    const match = new RegExp(`['"]${name}['"]\\s*:\\s*${pattern}`).exec(text)
    if (!match) {
      const remedy = 'save one plain array of numbers with numpy.save'
      throw new InvalidFileError(source, { what: 'NPY header', expected: `a dictionary with a plain '${name}'`, got: text.trim(), remedy })
    }
    return match[1]!
  }
  const descr = field('descr', `['"]([^'"]*)['"]`)
  const dtype = dataTypes.find((type) => codes[type] === descr.slice(1))
  if (!dtype || !'<>|='.includes(descr[0]!)) {
    throw new InvalidFileError(source, {
      what: 'NPY element type',
      expected: Object.values(codes).join(', '),
      got: descr,
      remedy: "convert the array, for example with array.astype('float32')",
    })
  }
  const fortran = field('fortran_order', '(True|False)') === 'True'
  // Python 2 wrote long integers as "28L".
  const dims = field('shape', '\\(([\\d\\s,L]*)\\)')
    .split(',')
    .filter((dim) => dim.trim() !== '')
    .map((dim) => Number.parseInt(dim, 10))
  const layout: ArrayLayout = { dtype, dims, offset: end, bigEndian: descr[0] === '>', fortran }
  assertLength('NPY', layout, length, source)
  return layout
}

/** The header's text and the offset of the first element. */
function headerOf(bytes: Uint8Array, source: string): { readonly text: string; readonly end: number } {
  const version = bytes[magic.length]
  if (version !== 1 && version !== 2 && version !== 3) {
    throw new InvalidFileError(source, { what: 'NPY version', expected: '1, 2 or 3', got: String(version) })
  }
  const lengthAt = magic.length + 2
  const start = lengthAt + (version === 1 ? 2 : 4)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = bytes.length < start ? 0 : version === 1 ? view.getUint16(lengthAt, true) : view.getUint32(lengthAt, true)
  const end = start + length
  if (bytes.length < end) {
    throw new InvalidFileError(source, { what: 'truncated NPY header', expected: `${end} bytes`, got: bytes.length })
  }
  const header = bytes.subarray(start, end)
  // Only names of fields can be other than ASCII, and an array with fields is refused.
  return { text: Array.from(header, (byte) => String.fromCharCode(byte)).join(''), end }
}

/** Columns of records, by name: NumPy's structured arrays. */
export type NpyFields = readonly (readonly [name: string, dtype: DataType])[]

/**
 * What an NPY file of version 1 begins with, as `numpy.load` reads it: its elements follow, little-endian and in C order, from a multiple of 64 bytes.
 * @param type of the elements; records are their fields one after the other, without padding
 * @param length to fill up to, so that headers of other shapes are as long; the shortest when left out
 */
export function npyHeader(type: DataType | NpyFields, dims: readonly number[], length = 0): Uint8Array {
  const descr =
    typeof type === 'string' ? `'${descrOf(type)}'` : `[${type.map(([name, of]) => `('${name}', '${descrOf(of)}')`).join(', ')}]`
  const shape = `(${dims.join(', ')}${dims.length === 1 ? ',' : ''})`
  const dictionary = `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`
  const before = magic.length + 4
  const end = Math.max(length, Math.ceil((before + dictionary.length + 1) / 64) * 64)
  const bytes = new Uint8Array(end)
  bytes.set(magic)
  bytes.set([1, 0], magic.length)
  new DataView(bytes.buffer).setUint16(magic.length + 2, end - before, true)
  bytes.set(encodeUtf8(`${dictionary.padEnd(end - before - 1)}\n`), before)
  return bytes
}

/** The bytes of an NPY file of version 1. */
export function writeNpy(source: Tensor): Uint8Array {
  const header = npyHeader(source.dtype, source.dims)
  const bytes = new Uint8Array(header.length + source.data.byteLength)
  bytes.set(header)
  bytes.set(bytesOf(source), header.length)
  return bytes
}

function descrOf(dtype: DataType): string {
  return `${arrayTypes[dtype].BYTES_PER_ELEMENT > 1 ? '<' : '|'}${codes[dtype]}`
}
