import { deflateSync, inflateSync } from 'node:zlib'
import { type Tensor, tensor } from '@niceflow/core'
import { expect, test } from 'vitest'
import { readMat, transpose, writeMat } from './index.ts'

/** Made with scipy 1.17.1 and numpy 2.4.6: `scipy.io.savemat(file, variables, do_compression=True)`, "plain" without, "v4" with format='4'. */
const scipy = {
  // {'X': np.arange(36, dtype=np.uint8).reshape(2, 3, 3, 2), 'y': np.array([[1], [10]], dtype=np.uint8)}
  svhn: 'TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IFdlZCBOb3YgMjUgMTY6MTA6MjUgMjAyNgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAAUAAAAHic42NgYEgAYjYg5gBiTgYIYAViASBmAmJmKAaxGYEwAspWASkUYpPgkWMS4ZDiU2AR45IRUGIUZpfklWcW5ZTmV2QV55YVVAYpAwCJbQObDwAAACkAAAB4nONjYGAwAGI2IOYAYk4GCGCF8pmAmBGMGRkqwXwmBkYuBgYAGLwA8A==',
  plain:
    'TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IFdlZCBOb3YgMjUgMTY6MTA6MjUgMjAyNgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0OAAAAYAAAAAYAAAAIAAAACQAAAAAAAAAFAAAAEAAAAAIAAAADAAAAAwAAAAIAAAABAAEAWAAAAAIAAAAkAAAAABIGGAweAhQIGg4gBBYKHBAiARMHGQ0fAxUJGw8hBRcLHREjAAAAAA4AAAAwAAAABgAAAAgAAAAJAAAAAAAAAAUAAAAIAAAAAgAAAAEAAAABAAEAeQAAAAIAAgABCgAA',
  // {'f64': [[1.5, 2]], 'f32': [[1.5, -2]], 'i8': [[-1]], 'i16': [[-300]], 'u16': [[40000]], 'i32': [[-70000]], 'u32': [[3000000000]],
  //  'i64': [[-5]], 'text': 'hello', 'cell': np.array([1, 'a'], dtype=object), 'complex': [[1 + 2j]]}, each an array of its type
  types:
    'TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IFdlZCBOb3YgMjUgMTY6MTA6MjUgMjAyNgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAALgAAAHic42NgYHAAYjYg5oDSIMAK5TMCMROYZmZIMzNh4ASyBRhg4Ic9lOEAAEGDAtcPAAAALAAAAHic42NgYLAAYjYg5gBidgYIYIXyGYGYCUwzM6QZG4HlOcAqDtiDCAAuSgMJDwAAACQAAAB4nONjYGAwAGI2IOaAYhBghbIZ4ZiJIdMCRDMy/AfyAR3+AgkPAAAAKQAAAHic42NgYDAAYjYg5gBiLgYIYIXyGeGYmSHT0AxIMjFc+cfAAAAijwMRDwAAACoAAAB4nONjYGAwAGI2IOYAYm4GCGCF8hnhmJmh1NCMgYWBicFhDgMDAB/ZAikPAAAAKQAAAHic42NgYDAAYjYg5gBiHgYIYIXyGeGYmSHT2AgozsIw4d2//wAkpAS+DwAAACkAAAB4nONjYGAwAGI2IOYAYl4GCGCF8hnhmJmh1NgIqI6FgSHuwiYAIMsDMQ8AAAApAAAAeJzjY2BgsABiNiDmAGI+BghghfIZ4ZiZIdPMhIEHKv77PwQAAE2oCVEPAAAALAAAAHic42NgYLAAYjYg5gBiFgYIYIXyGaFsRqBMSWpFiQCUn5Gak5MPpAFF5gRfDwAAAEAAAAB4nONjYGBYAMRsQMwBxIwMEMCKxGcC0ywMyak5OXxAtgWSej4s6hmRzOFBMxek3gBJPwsB/QJAViKQBgCWqAPMDwAAADEAAAB4nONjYGAIAGI2IOYA0SACCFihfEYkzA7Eyfm5BTmpFQycUHkI+GCPymdwAACybQUb',
  v4: 'AAAAAAEAAAACAAAAAAAAAAIAAABYAAAAAAAAAPA/AAAAAAAAAEA=',
} as const
const bytesOf = (name: keyof typeof scipy): Uint8Array => Uint8Array.from(Buffer.from(scipy[name], 'base64'))
const inflate = (bytes: Uint8Array): Uint8Array => inflateSync(bytes)

const read = (bytes: Uint8Array, ...names: string[]): Readonly<Record<string, Tensor>> => readMat(bytes, 'x.mat', names, inflate)
const first = 128

test.each(['svhn', 'plain'] as const)('reads what scipy writes: %s', (name) => {
  const { X, y } = read(bytesOf(name), 'X', 'y')
  expect([X!.dtype, X!.dims, y!.dims]).toEqual(['uint8', [2, 3, 3, 2], [1, 2]])
  // In the order of MATLAB's axes the array counts from 0 to 35, as it was made.
  expect([...transpose(X!, [3, 2, 1, 0]).data]).toEqual(Array.from({ length: 36 }, (_, i) => i))
  expect([...y!.data]).toEqual([1, 10])
})

test('reads numbers of every class, those that have no tensor as wider ones', () => {
  const names = ['f64', 'f32', 'i8', 'i16', 'u16', 'i32', 'u32', 'i64']
  const found = Object.values(read(bytesOf('types'), ...names)).map(({ dtype, data }) => [dtype, ...Array.from(data, Number)])
  expect(found).toEqual([
    ['float64', 1.5, 2],
    ['float32', 1.5, -2],
    ['int8', -1],
    ['int32', -300],
    ['int32', 40000],
    ['int32', -70000],
    ['float64', 3000000000],
    ['int64', -5],
  ])
})

test('writes the very bytes that scipy writes, but for the text of the header', () => {
  const arrays = read(bytesOf('plain'), 'X', 'y')
  expect(writeMat(arrays).subarray(116)).toEqual(bytesOf('plain').subarray(116))
  expect(read(writeMat(arrays, deflateSync), 'X', 'y')).toEqual(arrays)
})

test('big-endian files say so, and are read as others are', () => {
  const bytes = writeMat({ X: tensor('int32', [2, 3], Int32Array.of(1, -2, 3, 4, 5, 70000)) })
  // Everything in this file but its header, its name and that element's tag is a number of four bytes.
  const swapped = bytes.slice()
  for (let at = first; at < swapped.length; at += 4) swapped.subarray(at, at + 4).reverse()
  swapped.set([0x4d, 0x49], 126)
  const name = first + 8 + 16 + 16 + 4
  swapped.set([0x58, 0, 0, 0], name)
  expect(read(swapped, 'X')).toEqual(read(bytes, 'X'))
})

test.each<[string, Uint8Array, string[], string, string?]>([
  [
    'version 4',
    bytesOf('v4'),
    ['X'],
    'format: expected a MAT-file of version 5, got what may be version 4, or no MAT-file',
    'save it again',
  ],
  [
    'version 7.3',
    Uint8Array.from(Buffer.from('MATLAB 7.3 MAT-file, Platform: GLNXA64'.padEnd(124).concat('\0\x02IM'), 'latin1')),
    ['X'],
    'format: expected a MAT-file of version 5, got version 7.3, which is HDF5',
    "save it again: save(file, '-v7') in MATLAB, scipy.io.savemat in Python",
  ],
  ['plain HDF5', Uint8Array.from(Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')), ['X'], 'got version 7.3, which is HDF5'],
  ['nothing', new Uint8Array(), ['X'], 'format: expected a MAT-file of version 5, got 0 bytes without its header'],
  ['a page', new Uint8Array(Buffer.from('<html>'.repeat(40))), ['X'], 'got 240 bytes without its header'],
  ['other variables', bytesOf('svhn'), ['images'], 'variables: expected images, got X, y'],
  ['text', bytesOf('types'), ['text'], 'variable text: expected an array of real numbers, got text'],
  ['cells', bytesOf('types'), ['cell'], 'variable cell: expected an array of real numbers, got a cell array'],
  ['complex numbers', bytesOf('types'), ['complex'], 'variable complex: expected an array of real numbers, got complex numbers'],
  ['a cut element', bytesOf('plain').subarray(0, 200), ['X'], 'truncated element at byte 128: expected 96 bytes, got 64'],
  ['a cut tag', bytesOf('plain').subarray(0, 132), ['X'], 'truncated element at byte 128: expected 8 bytes, got 4'],
  ['a damaged stream', damaged(bytesOf('svhn')), ['X'], 'compressed variable: expected a whole zlib stream, got'],
])('refuses %s', (_, bytes, names, message, remedy) => {
  let error: unknown
  try {
    read(bytes, ...names)
  } catch (thrown) {
    error = thrown
  }
  expect(error).toMatchObject({ name: 'InvalidFileError', message: expect.stringContaining(message) })
  if (remedy) expect(error).toMatchObject({ remedy: expect.stringContaining(remedy) })
})

test('no beginning of a file passes for a whole one', () => {
  for (const name of ['svhn', 'plain'] as const) {
    const bytes = bytesOf(name)
    for (let length = 0; length < bytes.length - 8; length += 3) {
      expect(() => read(bytes.subarray(0, length), 'X', 'y'), `${name} ${length}`).toThrow(/^x.mat: /)
    }
  }
})

test('what has no class of arrays is not written', () => {
  expect(() => writeMat({ X: tensor('float16', [1, 2]) })).toThrow('variable X: expected two axes or more of float64, ')
  expect(() => writeMat({ X: tensor('uint8', [2]) })).toThrow('got uint8 [2]')
})

function damaged(bytes: Uint8Array): Uint8Array {
  bytes[first + 20]! ^= 0xff
  return bytes
}
