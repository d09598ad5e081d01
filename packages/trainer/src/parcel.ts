import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Large arrays of messages between two processes. A channel of Node takes longer to copy them (`parcel.bench.ts`), so they lie in a file that
 * both hold open, of which there is no name: it is gone with them. Whoever sends waits for an answer before it sends again.
 */

/** Bytes from which an array goes by the file: some more than what a pipe holds. */
const large = 2 ** 16
const kinds = { BigInt64Array, Float32Array, Float64Array, Int32Array, Uint8Array, Uint32Array } as const

type Kind = keyof typeof kinds
type Numbers = InstanceType<(typeof kinds)[Kind]>
/** What stands in a message for an array of the file: its type, its length, and where it begins. */
type Left = { readonly parcel: Kind; readonly length: number; readonly at: number }

/** Opens a file for two processes, in memory where the system has such a folder; undefined where there can be none. */
export function openParcels(): number | undefined {
  // Windows gives an open file no other way to be gone than by its name.
  if (process.platform === 'win32') return undefined
  for (const folder of ['/dev/shm', tmpdir()].filter((folder) => existsSync(folder))) {
    try {
      const own = mkdtempSync(join(folder, 'niceflow-parcels-'))
      try {
        return openSync(join(own, 'arrays'), 'w+')
      } finally {
        rmSync(own, { recursive: true })
      }
    } catch {
      // A folder that is full or another's: the next one.
    }
  }
  return undefined
}

export function closeParcels(file: number | undefined): void {
  if (file !== undefined) closeSync(file)
}

/** A message whose large arrays are left in the file; where its disk is full, they stay in the message. */
export function pack(message: unknown, file: number | undefined): unknown {
  if (file === undefined) return message
  let end = 0
  return mapped(message, (value) => {
    if (!isNumbers(value) || value.byteLength < large) return undefined
    try {
      everyByte(value, end, (bytes, at) => writeSync(file, bytes, 0, bytes.length, at))
    } catch {
      return value
    }
    const left: Left = { parcel: value.constructor.name as Kind, length: value.length, at: end }
    end += value.byteLength
    return left
  })
}

/** The message that was packed, its arrays copied out of the file. */
export function unpack(message: unknown, file: number | undefined): unknown {
  if (file === undefined) return message
  return mapped(message, (value) => {
    if (!isLeft(value)) return undefined
    const numbers = new kinds[value.parcel](value.length)
    everyByte(numbers, value.at, (bytes, at) => readSync(file, bytes, 0, bytes.length, at))
    return numbers
  })
}

/** Moves all bytes of an array, which are at `position` of a file, in as many pieces as the system makes of them. */
function everyByte(numbers: Numbers, position: number, move: (bytes: Uint8Array, at: number) => number): void {
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
  for (let done = 0; done < bytes.length; ) {
    const moved = move(bytes.subarray(done), position + done)
    if (moved === 0) throw new Error(`${bytes.length - done} bytes of an array are missing`)
    done += moved
  }
}

/** A value of plain objects and lists in which `change` put others in the place of some; those that it gives nothing for stay. */
function mapped(value: unknown, change: (value: object) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const changed = change(value)
  if (changed !== undefined) return changed
  if (Array.isArray(value)) return value.map((item) => mapped(item, change))
  if (Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapped(item, change)]))
}

function isNumbers(value: object): value is Numbers {
  return Object.hasOwn(kinds, value.constructor?.name ?? '')
}

function isLeft(value: object): value is Left {
  return 'parcel' in value
}
