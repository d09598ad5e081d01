import { type Tensor, tensor } from '@niceflow/core'
import { describe, expect, it } from 'vitest'
import { draws } from './cases.test-data.ts'
import { bytesOf, findStored, layoutWeights, type WeightsFile } from './storage.ts'

const file = ({ chunks }: WeightsFile): Buffer => Buffer.concat(chunks)

const big = draws([512, 513])
const named: Record<string, Tensor> = { b: draws([3]), big, a: draws([5]), tied: big, count: tensor('int64', [], BigInt64Array.of(-1n)) }

describe('a weights file', () => {
  const layout = layoutWeights(named, 'weights.bin')

  it('holds each tensor where its entry says', () => {
    const contents = file(layout)
    for (const [name, { offset, bytes }] of Object.entries(layout.entries)) {
      expect(Buffer.compare(contents.subarray(offset, offset + bytes), bytesOf(named[name]!)), name).toBe(0)
    }
  })

  it('holds an array once, whatever its names', () => {
    expect(layout.entries.tied!.offset).toBe(layout.entries.big!.offset)
    expect(layout.chunks.filter(({ length }) => length === big.data.byteLength)).toHaveLength(1)
  })

  it('starts large tensors where memory can be mapped on every system, and small ones on a cache line', () => {
    expect(layout.entries.big!.offset % 65536).toBe(0)
    expect(layout.entries.big!.offset).toBeGreaterThan(0)
    for (const { offset } of Object.values(layout.entries)) expect(offset % 64).toBe(0)
  })

  it('is the same whatever the order in which tensors were named', () => {
    const reversed = layoutWeights(Object.fromEntries(Object.entries(named).reverse()), 'weights.bin')
    expect(file(layout)).toHaveLength(layout.bytes)
    expect(Buffer.compare(file(reversed), file(layout))).toBe(0)
  })

  it('is known to hold a tensor only under its name, with its contents', () => {
    const { a } = named as { a: Tensor<'float32'> }
    expect(findStored(layout, 'a', { ...a, data: a.data.slice() })?.bytes).toBe(20)
    expect(findStored(layout, 'a', { ...a, data: a.data.map((x) => x + 1) })).toBeUndefined()
    expect(findStored(layout, 'a', { ...a, dims: [5, 1] })).toBeUndefined()
    expect(findStored(layout, 'b', a)).toBeUndefined()
    expect(findStored(layout, 'toString', a)).toBeUndefined()
  })
})

it('a file of nothing is empty', () => {
  expect(layoutWeights({}, 'weights.bin')).toEqual({ location: 'weights.bin', entries: {}, chunks: [], bytes: 0 })
})
