import { arrayTypes, type DataType, sizeOf, type Tensor, tensor } from '@niceflow/core'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOf } from './bytes.ts'
import { InvalidFileError, readIdx, readNpy, readSafetensors, writeIdx, writeNpy, writeSafetensors } from './index.ts'

fc.configureGlobal({ seed: 1 })

const allTypes = Object.keys(arrayTypes) as DataType[]

type Format = { readonly types: readonly DataType[]; read(bytes: Uint8Array): Tensor; write(tensor: Tensor): Uint8Array }

const formats: Readonly<Record<string, Format>> = {
  idx: { types: ['uint8', 'int8', 'int32', 'float32', 'float64'], read: (bytes) => readIdx(bytes, 'file'), write: writeIdx },
  npy: { types: allTypes, read: (bytes) => readNpy(bytes, 'file'), write: writeNpy },
  safetensors: {
    types: allTypes,
    read: (bytes) => readSafetensors(bytes, 'file').tensors.value!,
    write: (value) => concat(writeSafetensors({ value })),
  },
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]))
}

/** Tensors of any shape and any bits: NaN payloads, negative zeros and subnormals included. */
function anyTensor(types: readonly DataType[]): fc.Arbitrary<Tensor> {
  return fc.tuple(fc.constantFrom(...types), fc.array(fc.nat({ max: 4 }), { maxLength: 4 })).chain(([dtype, dims]) => {
    const length = sizeOf(dims) * arrayTypes[dtype].BYTES_PER_ELEMENT
    const byte = fc.nat({ max: dtype === 'bool' ? 1 : 255 })
    return fc.array(byte, { minLength: length, maxLength: length }).map((bytes) => {
      return tensor(dtype, dims, new arrayTypes[dtype](Uint8Array.from(bytes).buffer))
    })
  })
}

function plain(value: Tensor): unknown {
  return { dtype: value.dtype, dims: value.dims, array: value.data.constructor, bytes: [...bytesOf(value)] }
}

describe.each(Object.entries(formats))('%s', (_, { types, read, write }) => {
  it('read(write(t)) ≡ t', () => {
    fc.assert(
      fc.property(anyTensor(types), (value) => {
        expect(plain(read(write(value)))).toEqual(plain(value))
      }),
    )
  })

  it('reads the same from any offset of a larger buffer', () => {
    fc.assert(
      fc.property(anyTensor(types), fc.nat({ max: 9 }), (value, offset) => {
        const bytes = write(value)
        const larger = new Uint8Array(offset + bytes.length + 3).fill(255)
        larger.set(bytes, offset)
        expect(plain(read(larger.subarray(offset, offset + bytes.length)))).toEqual(plain(value))
      }),
    )
  })

  it('refuses every proper prefix of a file, and a file with one byte more', () => {
    const bytes = write(tensor('float32', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)))
    for (let length = 0; length < bytes.length; length++) expect(() => read(bytes.subarray(0, length))).toThrow(InvalidFileError)
    expect(() => read(Uint8Array.of(...bytes, 0))).toThrow(InvalidFileError)
  })

  it('leaves the bytes that it reads as they were', () => {
    const bytes = write(tensor('int32', [3], Int32Array.of(1, -2, 3)))
    const before = [...bytes]
    read(bytes)
    expect([...bytes]).toEqual(before)
  })
})
