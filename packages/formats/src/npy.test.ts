import { type DataType, type Tensor, tensor } from '@niceflow/core'
import { describe, expect, it } from 'vitest'
import { npyHeader, npyLayout, readNpy, writeNpy } from './npy.ts'

const fault = (message: string): unknown => expect.objectContaining({ name: 'InvalidFileError', message })

const latin1 = (text: string): number[] => Array.from(text, (character) => character.charCodeAt(0))

/** A file as `numpy.lib.format` lays it out: magic, version, length of the header, the dictionary padded to 64 bytes, the elements. */
function npy(descr: string, fortran: boolean, shape: string, data: readonly number[], version = 1): Uint8Array {
  const before = version === 1 ? 10 : 12
  const dictionary = `{'descr': ${descr}, 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${shape}, }`
  const length = Math.ceil((before + dictionary.length + 1) / 64) * 64 - before
  const lengthBytes = version === 1 ? [length, 0] : [length, 0, 0, 0]
  return Uint8Array.of(0x93, ...latin1('NUMPY'), version, 0, ...lengthBytes, ...latin1(`${dictionary.padEnd(length - 1)}\n`), ...data)
}

/**
 * What numpy 2.4.6 writes, base64. With `f = io.BytesIO()`:
 * numpy.save(f, numpy.arange(6).reshape(2, 3).astype('<f4'))
 * numpy.lib.format.write_array(f, numpy.arange(6).reshape(2, 3).astype('>i4'), version=(3, 0))
 */
const numpyFloats =
  'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAACAPwAAAEAAAEBAAACAQAAAoEA='
const numpyBigEndian =
  'k05VTVBZAwB0AAAAeydkZXNjcic6ICc+aTQnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAQAAAAIAAAADAAAABAAAAAU='

describe('readNpy', () => {
  it('reads what numpy writes', () => {
    expect(readNpy(Buffer.from(numpyFloats, 'base64'), 'f')).toEqual(tensor('float32', [2, 3], Float32Array.of(0, 1, 2, 3, 4, 5)))
    expect(readNpy(Buffer.from(numpyBigEndian, 'base64'), 'f')).toEqual(tensor('int32', [2, 3], Int32Array.of(0, 1, 2, 3, 4, 5)))
  })

  it.each<[string, string, number[], Tensor]>([
    ['<f8', '()', [0, 0, 0, 0, 0, 0, 0xe0, 0x3f], tensor('float64', [], Float64Array.of(0.5))],
    ['>f8', '()', [0x3f, 0xe0, 0, 0, 0, 0, 0, 0], tensor('float64', [], Float64Array.of(0.5))],
    ['<f4', '(1,)', [0, 0, 0x80, 0x3f], tensor('float32', [1], Float32Array.of(1))],
    ['<f2', '(1,)', [0, 0x3c], tensor('float16', [1], Uint16Array.of(0x3c00))],
    ['<i8', '(1L,)', [0xfe, 255, 255, 255, 255, 255, 255, 255], tensor('int64', [1], BigInt64Array.of(-2n))],
    ['<i4', '(1,)', [0, 1, 0, 0], tensor('int32', [1], Int32Array.of(256))],
    ['|i1', '(2,)', [255, 1], tensor('int8', [2], Int8Array.of(-1, 1))],
    ['|u1', '(1, 2)', [255, 1], tensor('uint8', [1, 2], Uint8Array.of(255, 1))],
    ['|b1', '(2,)', [1, 0], tensor('bool', [2], Uint8Array.of(1, 0))],
    ['|u1', '(0, 3)', [], tensor('uint8', [0, 3])],
  ])('reads %s of shape %s in every version', (descr, shape, data, expected) => {
    for (const version of [1, 2, 3]) expect(readNpy(npy(`'${descr}'`, false, shape, data, version), 'f')).toEqual(expected)
  })

  it('transposes Fortran order: element [i, j, k] of (2, 3, 2) lies at i + 2j + 6k', () => {
    const stored = [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]
    const { dims, data } = readNpy(npy("'|u1'", true, '(2, 3, 2)', stored), 'f')
    expect([dims, [...data]]).toEqual([
      [2, 3, 2],
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    ])
  })

  it.each([
    ['truncated', npy("'<f4'", false, '(2,)', [0, 0, 0, 0]), 'f: truncated NPY file of float32 [2]: expected 136 bytes, got 132'],
    ['overlong', npy("'|u1'", false, '(2,)', [1, 2, 3]), 'f: overlong NPY file of uint8 [2]: expected 130 bytes, got 131'],
    ['cut within its header', npy("'|u1'", false, '(2,)', []).subarray(0, 40), 'f: truncated NPY header: expected 128 bytes, got 40'],
    ['of another format', Uint8Array.of(0, 0, 8, 3), 'f: NPY magic string: expected 93 4e 55 4d 50 59, got 00 00 08 03'],
    ['of an unknown version', npy("'|u1'", false, '(1,)', [1], 4), 'f: NPY version: expected 1, 2 or 3, got 4'],
    ['of text', npy("'<U2'", false, '(1,)', []), 'f: NPY element type: expected f4, f8, f2, i8, i4, i1, u1, b1, got <U2'],
    ['of 16-bit integers', npy("'<u2'", false, '(1,)', [1, 0]), 'f: NPY element type: expected f4, f8, f2, i8, i4, i1, u1, b1, got <u2'],
    [
      'of records',
      npy("[('x', '<f4')]", false, '(1,)', [0, 0, 0, 0]),
      "f: NPY header: expected a dictionary with a plain 'descr', got {'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }",
    ],
    [
      'of no readable shape',
      npy("'|u1'", false, '(-1,)', []),
      "f: NPY header: expected a dictionary with a plain 'shape', got {'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }",
    ],
  ])('refuses a file that is %s', (_, bytes, message) => {
    expect(() => readNpy(bytes, 'f')).toThrow(fault(message))
  })
})

describe('writeNpy', () => {
  it.each<[DataType, string]>([
    ['float32', '<f4'],
    ['float64', '<f8'],
    ['float16', '<f2'],
    ['int64', '<i8'],
    ['int32', '<i4'],
    ['int8', '|i1'],
    ['uint8', '|u1'],
    ['bool', '|b1'],
  ])('writes %s as %s, byte for byte as the specification says', (dtype, descr) => {
    for (const [dims, shape] of [[[], '()'] as const, [[1], '(1,)'] as const, [[1, 1], '(1, 1)'] as const]) {
      const value = tensor(dtype, dims)
      expect(writeNpy(value)).toEqual(npy(`'${descr}'`, false, shape, Array(value.data.byteLength).fill(0)))
    }
  })
})

describe('npyHeader', () => {
  it('describes records by their fields, as numpy does', () => {
    const fields = [
      ['index', 'int64'],
      ['nats', 'float64'],
      ['outlier', 'bool'],
    ] as const
    expect(npyHeader(fields, [3])).toEqual(npy("[('index', '<i8'), ('nats', '<f8'), ('outlier', '|b1')]", false, '(3,)', []))
  })

  it('is as long as that of another shape where that is asked for', () => {
    const long = npyHeader('float32', [2 ** 40, 784, 784, 784, 784], 0)
    const short = npyHeader('float32', [1, 784], 256)
    expect([long.length, short.length]).toEqual([128, 256])
    expect(npyLayout(short, 256 + 4 * 784, 'f')).toEqual({
      dtype: 'float32',
      dims: [1, 784],
      offset: 256,
      bigEndian: false,
      fortran: false,
    })
  })
})

describe('npyLayout', () => {
  it('needs no more than the header, and knows the length that the file must have', () => {
    const file = npy("'>f4'", true, '(1000, 784)', [])
    expect(npyLayout(file, 128 + 4 * 784_000, 'f')).toEqual({
      dtype: 'float32',
      dims: [1000, 784],
      offset: 128,
      bigEndian: true,
      fortran: true,
    })
    expect(() => npyLayout(file, 128 + 4 * 784_000 - 1, 'f')).toThrow(
      fault('f: truncated NPY file of float32 [1000, 784]: expected 3136128 bytes, got 3136127'),
    )
  })
})
