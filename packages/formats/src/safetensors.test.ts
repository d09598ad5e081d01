import { type Tensor, tensor } from '@niceflow/core'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readSafetensors, writeSafetensors } from './safetensors.ts'

fc.configureGlobal({ seed: 1 })

const fault = (message: string): unknown => expect.objectContaining({ name: 'InvalidFileError', message })
const invalid = (message: string): unknown => expect.objectContaining({ name: 'InvalidValueError', message })

/** A file as the specification lays it out: 8 bytes of header length, little-endian, the header, the data. */
function file(header: string, data: readonly number[] = [], length = Buffer.byteLength(header)): Uint8Array {
  const lengthBytes = Buffer.alloc(8)
  lengthBytes.writeBigUInt64LE(BigInt(length))
  return Uint8Array.from([...lengthBytes, ...Buffer.from(header), ...data])
}

const written = (...content: Parameters<typeof writeSafetensors>): Uint8Array =>
  Uint8Array.from(Buffer.concat(writeSafetensors(...content)))

const everyType = {
  b: tensor('float32', [1, 2], Float32Array.of(1.5, -2)),
  a: tensor('uint8', [3], Uint8Array.of(1, 2, 3)),
  é: tensor('int64', [], BigInt64Array.of(7n)),
  h: tensor('float16', [1], Uint16Array.of(0x3c00)),
  mask: tensor('bool', [2], Uint8Array.of(1, 0)),
  n: tensor('int8', [1], Int8Array.of(-1)),
  i: tensor('int32', [1], Int32Array.of(3)),
  d: tensor('float64', [1], Float64Array.of(0.5)),
  10: tensor('float32', [1], Float32Array.of(1)),
  9: tensor('float32', [0, 2]),
} satisfies Record<string, Tensor>

/**
 * What safetensors 0.8.0 writes, base64:
 * safetensors.numpy.save({'b': numpy.array([[1.5, -2]], numpy.float32), 'a': numpy.array([1, 2, 3], numpy.uint8),
 *   'é': numpy.array(7, numpy.int64), 'h': numpy.array([1], numpy.float16), 'mask': numpy.array([True, False]),
 *   'n': numpy.array([-1], numpy.int8), 'i': numpy.array([3], numpy.int32), 'd': numpy.array([0.5]),
 *   '10': numpy.array([1], numpy.float32), '9': numpy.zeros((0, 2), numpy.float32)}, {'step': '12'})
 */
const reference =
  'SAIAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJzdGVwIjoiMTIifSwiw6kiOnsiZHR5cGUiOiJJNjQiLCJzaGFwZSI6W10sImRhdGFfb2Zmc2V0cyI6WzAsOF19LCJkIjp7ImR0eXBlIjoiRjY0Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbOCwxNl19LCIxMCI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMV0sImRhdGFfb2Zmc2V0cyI6WzE2LDIwXX0sIjkiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzAsMl0sImRhdGFfb2Zmc2V0cyI6WzIwLDIwXX0sImIiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzEsMl0sImRhdGFfb2Zmc2V0cyI6WzIwLDI4XX0sImkiOnsiZHR5cGUiOiJJMzIiLCJzaGFwZSI6WzFdLCJkYXRhX29mZnNldHMiOlsyOCwzMl19LCJoIjp7ImR0eXBlIjoiRjE2Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbMzIsMzRdfSwibiI6eyJkdHlwZSI6Ikk4Iiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbMzQsMzVdfSwiYSI6eyJkdHlwZSI6IlU4Iiwic2hhcGUiOlszXSwiZGF0YV9vZmZzZXRzIjpbMzUsMzhdfSwibWFzayI6eyJkdHlwZSI6IkJPT0wiLCJzaGFwZSI6WzJdLCJkYXRhX29mZnNldHMiOlszOCw0MF19fQcAAAAAAAAAAAAAAAAA4D8AAIA/AADAPwAAAMADAAAAADz/AQIDAQA='

describe('writeSafetensors', () => {
  it('writes byte for byte what the reference implementation writes', () => {
    expect(Buffer.from(written(everyType, { step: '12' })).toString('base64')).toBe(reference)
  })

  it('writes a header of a multiple of 8 bytes, padded with spaces', () => {
    const [header, ...data] = writeSafetensors({ w: tensor('float32', [1], Float32Array.of(1)) })
    const json = '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    expect(header).toEqual(file(json.padEnd(56)))
    expect(data).toEqual([Uint8Array.of(0, 0, 0x80, 0x3f)])
  })

  it('gives the memory of the tensors, not copies', () => {
    const weights = new Float32Array(8)
    const [, chunk] = writeSafetensors({ w: tensor('float32', [4], weights.subarray(2, 6)) })
    expect(chunk!.buffer).toBe(weights.buffer)
    expect([chunk!.byteOffset, chunk!.byteLength]).toEqual([8, 16])
  })

  it('gives equal bytes for equal contents, in whatever order they come', () => {
    const entries = Object.entries(everyType)
    const metadata = Object.entries({ seed: '1', step: '2', config: '{}' })
    const expected = written(everyType, Object.fromEntries(metadata))
    const shuffled = fc.tuple(
      fc.shuffledSubarray(entries, { minLength: entries.length }),
      fc.shuffledSubarray(metadata, { minLength: metadata.length }),
    )
    fc.assert(
      fc.property(shuffled, ([someTensors, someMetadata]) => {
        expect(written(Object.fromEntries(someTensors), Object.fromEntries(someMetadata))).toEqual(expected)
      }),
    )
  })

  it('refuses a tensor with the name of the metadata', () => {
    const message = 'name of a tensor: expected anything but __metadata__, got __metadata__'
    expect(() => writeSafetensors({ __metadata__: tensor('uint8', [1]) })).toThrow(invalid(message))
  })
})

describe('readSafetensors', () => {
  it('reads what the reference implementation writes', () => {
    const { tensors, metadata } = readSafetensors(Buffer.from(reference, 'base64'), 'f')
    expect(tensors).toEqual(everyType)
    expect(metadata).toEqual({ step: '12' })
  })

  it('reads names and metadata of any text: quotes, braces, __proto__, other scripts', () => {
    const name = fc
      .oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', '{"a":', '\\"', '7'))
      .filter((text) => text !== '__metadata__')
    fc.assert(
      fc.property(fc.uniqueArray(name), fc.array(fc.tuple(name, fc.string({ unit: 'grapheme' }))), (names, pairs) => {
        const tensors = Object.fromEntries(names.map((text, i) => [text, tensor('int32', [1], Int32Array.of(i))]))
        const metadata = Object.fromEntries(pairs)
        const read = readSafetensors(written(tensors, metadata), 'f')
        expect(new Map(Object.entries(read.tensors))).toEqual(new Map(Object.entries(tensors)))
        expect(new Map(Object.entries(read.metadata))).toEqual(new Map(Object.entries(metadata)))
      }),
    )
  })

  it('gives views where alignment allows', () => {
    const bytes = written({ w: tensor('float32', [2]) })
    expect(readSafetensors(bytes, 'f').tensors.w!.data.buffer).toBe(bytes.buffer)
  })

  const two = (a: string, b: string): string =>
    `{"a":{"dtype":"U8","shape":[2],"data_offsets":${a}},"b":{"dtype":"U8","shape":[2],"data_offsets":${b}}}`
  const one = (dtype: string, shape: string, offsets: string): string =>
    `{"a":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`

  it.each([
    ['is shorter than the length of its header', Uint8Array.of(1, 2, 3), 'safetensors header: expected 8 bytes, got 3'],
    ['ends within its header', file('{}', [], 100), 'safetensors header: expected 108 bytes, got 10'],
    ['has an endless header', file('{}', [], 2 ** 40), 'safetensors header: expected at most 100000000 bytes, got 1099511627776'],
    ['has no JSON header', file('{"a"'), /^f: safetensors header: expected JSON, got /],
    ['has a header that is not UTF-8', Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0xff), 'safetensors header: expected JSON, got URI malformed'],
    ['has a header that is no object', file('[1]'), 'safetensors header: expected a JSON object, got [1]'],
    [
      'names a tensor twice',
      file(`${two('[0,2]', '[2,4]').slice(0, -1)},"a":1}`, [0, 0, 0, 0]),
      'safetensors header: expected each key once, got "a" twice',
    ],
    ['names a field twice', file('{"a":{"dtype":"U8","dtype":"I8"}}'), 'safetensors header: expected each key once, got "dtype" twice'],
    ['has metadata other than text', file('{"__metadata__":{"step":1}}'), '__metadata__: expected an object of strings, got {"step":1}'],
    ['has a null for metadata', file('{"__metadata__":null}'), '__metadata__: expected an object of strings, got null'],
    ['has an entry that is no object', file('{"a":1}'), 'dtype of tensor "a": expected I64, F64, F32, I32, F16, I8, U8, BOOL, got nothing'],
    [
      'has an unknown type',
      file(one('"BF16"', '[1]', '[0,2]'), [0, 0]),
      'dtype of tensor "a": expected I64, F64, F32, I32, F16, I8, U8, BOOL, got "BF16"',
    ],
    ['has a shape of fractions', file(one('"U8"', '[0.5]', '[0,0]')), 'shape of tensor "a": expected an array of sizes, got [0.5]'],
    ['has a negative shape', file(one('"U8"', '[-1]', '[0,0]')), 'shape of tensor "a": expected an array of sizes, got [-1]'],
    ['has three offsets', file(one('"U8"', '[1]', '[0,1,2]'), [0]), 'data_offsets of tensor "a": expected [begin, end], got [0,1,2]'],
    [
      'has offsets of another size than the shape',
      file(one('"F32"', '[2]', '[0,4]'), [0, 0, 0, 0]),
      'data_offsets of tensor "a": expected 8 bytes for F32 [2], got [0,4]',
    ],
    ['has offsets backwards', file(one('"U8"', '[1]', '[1,0]'), [0]), 'data_offsets of tensor "a": expected 1 bytes for U8 [1], got [1,0]'],
    [
      'has overlapping tensors',
      file(two('[0,2]', '[1,3]'), [0, 0, 0]),
      'tensor "b", overlapping another: expected data from byte 2, got from byte 1',
    ],
    [
      'has two tensors in one place',
      file(two('[0,2]', '[0,2]'), [0, 0]),
      'tensor "b", overlapping another: expected data from byte 2, got from byte 0',
    ],
    ['has a gap', file(two('[0,2]', '[3,5]'), [0, 0, 0, 0, 0]), 'tensor "b", after a gap: expected data from byte 2, got from byte 3'],
    ['starts with a gap', file(one('"U8"', '[1]', '[1,2]'), [0, 0]), 'tensor "a", after a gap: expected data from byte 0, got from byte 1'],
    ['is truncated', file(two('[0,2]', '[2,4]'), [0, 0, 0]), 'truncated tensor data: expected 4 bytes, got 3'],
    ['has trailing bytes', file(two('[0,2]', '[2,4]'), [0, 0, 0, 0, 0]), 'trailing bytes after the tensor data: expected 4 bytes, got 5'],
  ])('refuses a file that %s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes, 'f')).toThrow(typeof message === 'string' ? fault(`f: ${message}`) : message)
  })
})
