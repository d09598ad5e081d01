import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { closeParcels, openParcels, pack, unpack } from './parcel.ts'

const long = Float32Array.from({ length: 50_000 }, (_, i) => Math.sin(i))
const message = {
  step: 3,
  arrays: {
    a: { dims: [50_000], dtype: 'float32', data: long },
    b: { data: BigInt64Array.from({ length: 10_000 }, (_, i) => BigInt(-i)) },
  },
  rates: new Float64Array([0.5]),
  list: [new Uint8Array(70_000).fill(7), null, undefined, 'word'],
}

function file(): number {
  const opened = openParcels()!
  onTestFinished(() => closeParcels(opened))
  return opened
}

it('a message comes out as it went in, its large arrays by the file and the rest as it is', () => {
  const parcels = file()
  const packed = pack(message, parcels) as typeof message
  expect(packed.arrays.a).toEqual({ dims: [50_000], dtype: 'float32', data: { parcel: 'Float32Array', length: 50_000, at: 0 } })
  expect(packed.list[0]).toEqual({ parcel: 'Uint8Array', length: 70_000, at: 280_000 })
  expect(packed.rates).toBe(message.rates)
  expect(fstatSync(parcels).size).toBe(200_000 + 80_000 + 70_000)
  expect(unpack(packed, parcels)).toEqual(message)
})

it('each message takes the place of the one before, and what was unpacked stays', () => {
  const parcels = file()
  const first = unpack(pack(message, parcels), parcels)
  pack({ other: new Float32Array(50_000) }, parcels)
  expect(first).toEqual(message)
  expect(fstatSync(parcels).size).toBe(350_000)
})

it('a view of part of a buffer is sent alone', () => {
  const parcels = file()
  const part = long.subarray(10_000, 40_000)
  expect(unpack(pack({ part }, parcels), parcels)).toEqual({ part: part.slice() })
  expect(fstatSync(parcels).size).toBe(120_000)
})

it('what the file does not take goes in the message', () => {
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-parcel-'))
  closeSync(openSync(join(folder, 'arrays'), 'w'))
  const readOnly = openSync(join(folder, 'arrays'), 'r')
  onTestFinished(() => {
    closeSync(readOnly)
    rmSync(folder, { recursive: true })
  })
  expect(pack(message, readOnly)).toEqual(message)
  expect(pack(message, undefined)).toBe(message)
})

it('an array that is not whole in the file is an error, and none of zeros', () => {
  const parcels = file()
  const packed = pack({ long }, parcels) as { long: object }
  expect(() => unpack({ long: { ...packed.long, at: 100_000 } }, parcels)).toThrow('100000 bytes of an array are missing')
})

it('the file has no name that could be left behind', () => {
  expect(fstatSync(file()).nlink).toBe(0)
})
