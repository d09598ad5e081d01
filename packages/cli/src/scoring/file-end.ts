import type { FileHandle } from 'node:fs/promises'
import { NiceflowError } from '@niceflow/core'
import { blockRows } from '../examples.ts'
import type { RowFormat } from './formats.ts'

/** An output that is not what this request would have written so far. */
export class ResumeError extends NiceflowError {
  override readonly name = 'ResumeError'
}

/** How far a file of scores has come. */
export type End = {
  /** The header, as far as it is there. */
  readonly header: Uint8Array
  /** The first example of the last block that is there. */
  readonly from: number
  /** The rows of the examples before that one. */
  readonly rowsBefore: number
  /** The rows of that block; where no row is whole, all that is there: only who is about to write the same may go on with it. */
  readonly owed: Uint8Array
  /** The bytes up to the end of these. */
  readonly length: number
  /** The bytes of the file: those beyond are of a row that was torn. */
  readonly size: number
}

type Part = { readonly format: RowFormat; readonly start: number; readonly end: number }

const blockOf = (index: number): number => Math.floor(index / blockRows) * blockRows

/** Long enough for a block of most requests. */
const firstWindow = 2 ** 18
/** A block's rows are shorter, however long the paths in them. */
const lastWindow = 2 ** 28

/**
 * Finds where the rows of a file end, and reads those of the last block. It writes nothing.
 * @throws ResumeError for a file that cannot be this request's
 */
export async function findEnd(handle: FileHandle, path: string, { format, start, end }: Part): Promise<End> {
  const { size } = await handle.stat()
  const expected = format.header(end - start)
  const header = await readAt(handle, 0, Math.min(size, expected.length))
  // The count in a whole header is another where examples were broken.
  const begins = header.length < expected.length ? expected.subarray(0, header.length) : format.begins
  if (Buffer.compare(header.subarray(0, begins.length), begins) !== 0) throw otherRequest(path)
  const first = header.length
  if (size === first) return { header, from: start, rowsBefore: 0, owed: new Uint8Array(), length: size, size }
  for (let window = firstWindow; window <= lastWindow; window *= 2) {
    const at = Math.max(first, size - window)
    const bytes = await readAt(handle, at, size - at)
    const { rows, end: rowsEnd } = format.rowsIn(bytes, at - first)
    const last = rows.at(-1)?.index
    const whole = at === first
    if (last === undefined && whole) return { header, from: start, rowsBefore: 0, owed: bytes, length: size, size }
    if (last === undefined) continue
    if (!(last >= start && last < end)) throw otherRequest(path)
    const from = blockOf(last)
    const firstOfBlock = rows.find(({ index }) => index >= from)!
    // Rows before the block's first show that it is the first.
    if (!whole && firstOfBlock === rows[0]) continue
    const edge = at + firstOfBlock.at
    const rowsBefore = await countRows(handle, format, first, edge)
    return { header, from, rowsBefore, owed: bytes.subarray(firstOfBlock.at, rowsEnd), length: at + rowsEnd, size }
  }
  throw otherRequest(path)
}

async function countRows(handle: FileHandle, format: RowFormat, from: number, to: number): Promise<number> {
  if (format.rowBytes) return (to - from) / format.rowBytes
  let count = 0
  for (let at = from, window = firstWindow; at < to; ) {
    const { rows, end } = format.rowsIn(await readAt(handle, at, Math.min(window, to - at)), 0)
    count += rows.length
    at += end
    if (end > 0) continue
    if (window >= to - at) break
    window *= 2
  }
  return count
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}

export function otherRequest(path: string): ResumeError {
  return new ResumeError(`${path}: its rows are not those that this request begins with`, {
    remedy: 'resume with the same files, bundle, seed, draws, shard, threads and kind of machine, or begin anew without --resume',
  })
}
