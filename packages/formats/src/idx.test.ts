import { tensor } from '@niceflow/core'
import { describe, expect, it } from 'vitest'
import { readIdx, writeIdx } from './idx.ts'

const fault = (message: string): unknown => expect.objectContaining({ name: 'InvalidFileError', message })
const invalid = (message: string): unknown => expect.objectContaining({ name: 'InvalidValueError', message })

/** Two images of 2 x 3 pixels, byte for byte as the MNIST page describes the format. */
const images = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 250, 251, 252, 253, 254, 255)
/** -1 and 256 as 32-bit integers. */
const integers = Uint8Array.of(0, 0, 0x0c, 1, 0, 0, 0, 2, 255, 255, 255, 255, 0, 0, 1, 0)

describe('readIdx', () => {
  it('reads pixels as a view of the file', () => {
    const { dtype, dims, data } = readIdx(images, 'images')
    expect({ dtype, dims, data }).toEqual({ dtype: 'uint8', dims: [2, 2, 3], data: images.subarray(16) })
    expect(data.buffer).toBe(images.buffer)
  })

  it('reads big-endian numbers', () => {
    expect(readIdx(integers, 'integers')).toEqual(tensor('int32', [2], Int32Array.of(-1, 256)))
    const half = Uint8Array.of(0, 0, 0x0d, 0, 0x3f, 0, 0, 0)
    expect(readIdx(half, 'half')).toEqual(tensor('float32', [], Float32Array.of(0.5)))
  })

  it.each([
    ['truncated', images.subarray(0, 20), 'f: truncated IDX file of uint8 [2, 2, 3]: expected 28 bytes, got 20'],
    ['overlong', Uint8Array.of(...images, 0), 'f: overlong IDX file of uint8 [2, 2, 3]: expected 28 bytes, got 29'],
    ['cut within its header', images.subarray(0, 9), 'f: IDX header of rank 3: expected 16 bytes, got 9'],
    [
      'of another format',
      Uint8Array.of(0x89, 0x50, 0x4e, 0x47),
      'f: IDX magic number: expected 00 00, element type, rank, got 89 50 4e 47',
    ],
    ['empty', new Uint8Array(0), 'f: IDX magic number: expected 00 00, element type, rank, got nothing'],
    ['compressed', Uint8Array.of(0x1f, 0x8b, 8, 0), 'f: format: expected IDX, got gzip'],
    [
      'of 16-bit integers',
      Uint8Array.of(0, 0, 0x0b, 1, 0, 0, 0, 0),
      'f: IDX element type: expected 08 (uint8), 09 (int8), 0c (int32), 0d (float32), 0e (float64), got 0b',
    ],
  ])('refuses a file that is %s', (_, bytes, message) => {
    expect(() => readIdx(bytes, 'f')).toThrow(fault(message))
  })

  it('says how to unpack a compressed file', () => {
    expect(() => readIdx(Uint8Array.of(0x1f, 0x8b), 'f')).toThrow(expect.objectContaining({ remedy: 'unpack the file with gunzip first' }))
  })
})

describe('writeIdx', () => {
  it('writes the bytes of the specification', () => {
    expect(writeIdx(tensor('uint8', [2, 2, 3], images.slice(16)))).toEqual(images)
    expect(writeIdx(tensor('int32', [2], Int32Array.of(-1, 256)))).toEqual(integers)
  })

  it('refuses an element type that IDX does not have', () => {
    const message = 'element type of an IDX file: expected uint8, int8, int32, float32, float64, got bool'
    expect(() => writeIdx(tensor('bool', [1]))).toThrow(invalid(message))
  })
})
