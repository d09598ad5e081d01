import { type DataType, InvalidValueError, type Tensor } from '@niceflow/core'
import { bytesOf, hex, InvalidFileError, swapBytes } from './bytes.ts'
import { type ArrayLayout, assertLength, layoutTensor } from './layout.ts'

/**
 * IDX, the format of the MNIST files (LeCun, Cortes and Burges, "The MNIST database", section "File formats"): two zero bytes, an element
 * type, the rank, each dimension as a 32-bit integer, then the elements row-major; every number is big-endian. 16-bit integers (0x0b)
 * have no tensor type here.
 */
const elementTypes: ReadonlyMap<number, DataType> = new Map([
  [0x08, 'uint8'],
  [0x09, 'int8'],
  [0x0c, 'int32'],
  [0x0d, 'float32'],
  [0x0e, 'float64'],
])

/**
 * Reads an IDX file. Elements of one byte are views of `bytes`, others are copies.
 * @param source the file's name, for messages
 * @throws InvalidFileError on a wrong magic number, an unknown element type, or a length other than what the header says
 */
export function readIdx(bytes: Uint8Array, source: string): Tensor {
  const layout = idxLayout(bytes, bytes.length, source)
  return layoutTensor(layout, layout.dims, bytes.subarray(layout.offset))
}

/**
 * What the header of an IDX file says.
 * @param bytes the file, or its beginning; a header ends within 1,024 bytes
 * @param length of the whole file, bytes
 * @throws as `readIdx`
 */
export function idxLayout(bytes: Uint8Array, length: number, source: string): ArrayLayout {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    throw new InvalidFileError(source, { what: 'format', expected: 'IDX', got: 'gzip', remedy: 'unpack the file with gunzip first' })
  }
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0) {
    throw new InvalidFileError(source, {
      what: 'IDX magic number',
      expected: '00 00, element type, rank',
      got: hex(bytes.subarray(0, 4)),
      remedy: 'give an IDX file, such as those of MNIST',
    })
  }
  const dtype = elementTypes.get(bytes[2]!)
  if (!dtype) {
    const known = [...elementTypes].map(([code, type]) => `${hex(Uint8Array.of(code))} (${type})`)
    throw new InvalidFileError(source, {
      what: 'IDX element type',
      expected: known.join(', '),
      got: hex(bytes.subarray(2, 3)),
      remedy: 'convert the file to one of these types',
    })
  }
  const rank = bytes[3]!
  const header = 4 + 4 * rank
  if (bytes.length < header) {
    throw new InvalidFileError(source, { what: `IDX header of rank ${rank}`, expected: `${header} bytes`, got: bytes.length })
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, header)
  const dims = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  const layout: ArrayLayout = { dtype, dims, offset: header, bigEndian: true, fortran: false }
  assertLength('IDX', layout, length, source)
  return layout
}

/**
 * The bytes of an IDX file.
 * @throws InvalidValueError for an element type that IDX does not have
 */
export function writeIdx(source: Tensor): Uint8Array {
  const { dtype, dims } = source
  const code = [...elementTypes].find(([, type]) => type === dtype)?.[0]
  if (code === undefined) {
    throw new InvalidValueError({
      what: 'element type of an IDX file',
      expected: [...elementTypes.values()].join(', '),
      got: dtype,
      remedy: 'write an NPY file instead',
    })
  }
  const header = 4 + 4 * dims.length
  const bytes = new Uint8Array(header + source.data.byteLength)
  bytes.set([0, 0, code, dims.length])
  const view = new DataView(bytes.buffer)
  for (const [axis, dim] of dims.entries()) view.setUint32(4 + 4 * axis, dim)
  bytes.set(bytesOf(source), header)
  swapBytes(bytes.subarray(header), source.data.BYTES_PER_ELEMENT)
  return bytes
}
