import { describe, expect, it } from 'vitest'
import { arrayTypes, type DataType, rows, sizeOf, tensor } from './tensor.ts'

describe('tensor', () => {
  it('is zeros of its type where no data are given', () => {
    for (const dtype of Object.keys(arrayTypes) as DataType[]) {
      const { data } = tensor(dtype, [2, 3])
      expect(data).toEqual(new arrayTypes[dtype](6))
    }
  })

  it('keeps the data that it is given, uncopied', () => {
    const data = Float32Array.of(1, 2)
    expect(tensor('float32', [1, 2], data).data).toBe(data)
  })

  it('refuses data of another length than its shape has', () => {
    expect(() => tensor('uint8', [2, 2], new Uint8Array(3))).toThrow('data of a uint8 tensor [2,2]: expected 4 elements, got 3')
  })
})

describe('sizeOf', () => {
  it.each([
    [[], 1],
    [[0, 5], 0],
    [[2, 3, 4], 24],
  ])('of %o is %s', (dims, size) => {
    expect(sizeOf(dims)).toBe(size)
  })
})

describe('rows', () => {
  it('shares the memory of the rows that it takes', () => {
    const source = tensor(
      'int32',
      [3, 2, 2],
      Int32Array.from({ length: 12 }, (_, i) => i),
    )
    const taken = rows(source, 1, 3)
    expect(taken).toEqual(tensor('int32', [2, 2, 2], Int32Array.of(4, 5, 6, 7, 8, 9, 10, 11)))
    expect(taken.data.buffer).toBe(source.data.buffer)
    expect(rows(source, 1, 1).dims).toEqual([0, 2, 2])
  })
})
