import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { exists, syncFolder, writeError } from '@niceflow/trainer'
import { blockRows } from '../examples.ts'
import type { ScoredExample } from './columns.ts'
import type { RowFormat } from './formats.ts'

/** An output that is not what this request would have written so far. */
export class ResumeError extends NiceflowError {
  override readonly name = 'ResumeError'
}

export type ScoreFileOptions = {
  readonly format: RowFormat
  /** Go on where an output of the same request ends. */
  readonly resume: boolean
  /** The examples of the request, by index; `start` at the edge of a block. */
  readonly start: number
  readonly end: number
}

/** A file of scores that grows. */
export type ScoreFile = {
  /** The example to go on with: the first of the last block that is there, whose rows are compared with what is there. */
  readonly from: number
  /** Where the rows are until all are there. */
  readonly path: string
  /** @throws ResumeError where rows that are there already are others; WriteError */
  readonly append: (examples: readonly ScoredExample[]) => Promise<void>
  /** Gives the file its name, when all rows are there. */
  readonly finish: () => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * Opens a file of scores for rows in the order of their indices. They are in `<out>.partial` until all are there, so that a file called `out` is
 * always whole; whatever ends the process, `resume` goes on from there: a row that was torn is cut off, and the last block is scored again, to
 * see that the output is this request's. So the file has the bytes that it would have had without the end.
 * @throws ResumeError, WriteError
 */
export async function openScoreFile(out: string, options: ScoreFileOptions): Promise<ScoreFile> {
  const partial = `${out}.partial`
  const { format, resume } = options
  // A whole file is gone on with in its place: it may turn out not to be whole, after all.
  const path = resume && !(await exists(partial)) && (await exists(out)) ? out : partial
  const failed = (cause: unknown): never => {
    throw NiceflowError.is(cause) ? cause : writeError('file', path, cause as NodeJS.ErrnoException)
  }
  const { handle, from, there } = await begin(path, options).catch(failed)
  let owed = there
  const append = async (examples: readonly ScoredExample[]): Promise<void> => {
    const bytes = format.encode(examples)
    const known = Math.min(owed.length, bytes.length)
    if (Buffer.compare(bytes.subarray(0, known), owed.subarray(0, known)) !== 0) throw otherRequest(path)
    owed = owed.subarray(known)
    if (known < bytes.length) await handle.appendFile(bytes.subarray(known)).catch(failed)
  }
  const finish = async (): Promise<void> => {
    if (owed.length > 0) throw otherRequest(path)
    try {
      await writeHeader(path, format)
      await handle.sync()
      if (path !== out) await rename(path, out)
      await syncFolder(dirname(out))
    } catch (error) {
      failed(error)
    }
  }
  return { from, path, append, finish, close: () => handle.close() }
}

type Begun = {
  readonly handle: FileHandle
  readonly from: number
  /** The rows of the last block, as far as they are there. */
  readonly there: Uint8Array
}

async function begin(path: string, { format, resume, start, end }: ScoreFileOptions): Promise<Begun> {
  const header = format.header(end - start)
  const found = resume && (await exists(path)) ? await findEnd(path, format) : undefined
  if (found?.last !== undefined && !(found.last >= start && found.last < end)) throw otherRequest(path)
  // A truncated header is written anew with the file.
  const handle = await open(path, found ? 'a' : 'w')
  if (!found) await handle.appendFile(header)
  else await handle.truncate(found.length)
  return { handle, from: found?.last === undefined ? start : blockOf(found.last), there: found?.rows ?? new Uint8Array() }
}

const blockOf = (index: number): number => Math.floor(index / blockRows) * blockRows

/** Long enough for a block of most requests. */
const firstWindow = 2 ** 18

/**
 * Where the whole rows of a file end, the index of the last, and the rows of its block.
 * @returns undefined for a file without so much as a header
 */
async function findEnd(
  path: string,
  format: RowFormat,
): Promise<{ readonly length: number; readonly last?: number; readonly rows: Uint8Array } | undefined> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const headerBytes = format.header(0).length
    if (size < headerBytes) return undefined
    const { begins } = format
    if (Buffer.compare(await readAt(handle, 0, begins.length), begins) !== 0) throw otherRequest(path)
    for (let window = firstWindow; ; window *= 2) {
      const from = Math.max(headerBytes, size - window)
      const bytes = await readAt(handle, from, size - from)
      const { rows, end } = format.rowsIn(bytes, from - headerBytes)
      const last = rows.at(-1)
      const whole = from === headerBytes
      if (!last && whole) return { length: headerBytes, rows: new Uint8Array() }
      if (last && !Number.isSafeInteger(last.index)) throw otherRequest(path)
      const first = last && rows.find(({ index }) => index >= blockOf(last.index))!
      // Rows before the block's first show that it is the first.
      if (last && (whole || first !== rows[0])) return { length: from + end, last: last.index, rows: bytes.subarray(first!.at, end) }
    }
  } finally {
    await handle.close()
  }
}

/** The header says how many rows there are, which is known at the end: broken examples have none. */
async function writeHeader(path: string, format: RowFormat): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    const { size } = await handle.stat()
    const header = format.header(format.rowBytes ? (size - format.header(0).length) / format.rowBytes : 0)
    await handle.write(header, 0, header.length, 0)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, position)
  return buffer.subarray(0, bytesRead)
}

function otherRequest(path: string): ResumeError {
  return new ResumeError(`${path}: its rows are not those that this request begins with`, {
    remedy: 'resume with the same files, bundle, seed, draws, shard, threads and kind of machine, or begin anew without --resume',
  })
}
