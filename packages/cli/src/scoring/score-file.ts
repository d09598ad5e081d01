import { realpathSync } from 'node:fs'
import { type FileHandle, open, rename, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { syncFolder, takeLock, writeError } from '@niceflow/trainer'
import type { ScoredExample } from './columns.ts'
import { findEnd, otherRequest, ResumeError } from './file-end.ts'
import type { RowFormat } from './formats.ts'

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
  /** The rows of the examples before that one. */
  readonly rowsBefore: number
  /** Where the rows are until all are there. */
  readonly path: string
  /** @throws ResumeError where rows that are there already are others; WriteError */
  readonly append: (examples: readonly ScoredExample[]) => Promise<void>
  /** Gives the file its name, when all rows are there. @throws as `append` */
  readonly finish: () => Promise<void>
  readonly close: () => Promise<void>
}

/**
 * Opens a file of scores for rows in the order of their indices, which no other process may write meanwhile. They are in `<out>.partial` until all
 * are there, so that a file called `out` is always whole, and is only compared; whatever ends the process, `resume` goes on from there: the last
 * block is scored again, to see that the output is this request's, and then a row that was torn is cut off. So the file has the bytes that it would
 * have had without the end.
 * @throws LockedError, ResumeError, WriteError
 */
export async function openScoreFile(out: string, options: ScoreFileOptions): Promise<ScoreFile> {
  await assertPlace(out)
  const partial = `${out}.partial`
  const lock = join(realpathSync(dirname(out)), `${basename(partial)}.lock`)
  const release = takeLock(lock, (pid) => `file ${out}: process ${pid} is writing it`)
  try {
    const whole = options.resume && !(await holdsBytes(partial)) && (await holdsBytes(out))
    const file = whole ? await openWhole(out, options) : await openPartial(out, partial, options)
    return { ...file, close: () => file.close().finally(release) }
  } catch (error) {
    release()
    throw error
  }
}

/** What keeps a file from its name when all is done, is told before anything is. */
async function assertPlace(out: string): Promise<void> {
  try {
    if ((await stat(out)).isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw writeError('file', out, error as NodeJS.ErrnoException)
    await stat(dirname(out)).catch(failedAt(out))
  }
}

/** A file that holds nothing has nothing to lose. */
function holdsBytes(path: string): Promise<boolean> {
  return stat(path).then(
    ({ size }) => size > 0,
    () => false,
  )
}

const failedAt =
  (path: string) =>
  (cause: unknown): never => {
    throw NiceflowError.is(cause) ? cause : writeError('file', path, cause as NodeJS.ErrnoException)
  }

/** What is there of the block to go on with, beside what comes of it. */
function comparison(path: string, owed: Uint8Array): { readonly rest: (bytes: Uint8Array) => Uint8Array; readonly owes: () => boolean } {
  return {
    /** The bytes beyond what is there. */
    rest(bytes) {
      const known = Math.min(owed.length, bytes.length)
      if (Buffer.compare(bytes.subarray(0, known), owed.subarray(0, known)) !== 0) throw otherRequest(path)
      owed = owed.subarray(known)
      return bytes.subarray(known)
    },
    owes: () => owed.length > 0,
  }
}

/** A file that has its name is read, and never written. */
async function openWhole(path: string, { format, start, end }: ScoreFileOptions): Promise<ScoreFile> {
  const handle = await open(path, 'r').catch(failedAt(path))
  try {
    const found = await findEnd(handle, path, { format, start, end })
    const { rest, owes } = comparison(path, found.owed)
    const rowBytes = format.rowBytes ?? Number.NaN
    const count = (found.size - format.header(0).length) / rowBytes
    const header = format.header(Number.isInteger(count) ? count : 0)
    return {
      from: found.from,
      rowsBefore: found.rowsBefore,
      path,
      async append(examples) {
        if (rest(format.encode(examples)).length > 0) throw notWhole(path)
      },
      async finish() {
        if (owes()) throw otherRequest(path)
        if (found.length !== found.size || Buffer.compare(header, found.header) !== 0) throw notWhole(path)
      },
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw failedAt(path)(error)
  }
}

async function openPartial(out: string, path: string, options: ScoreFileOptions): Promise<ScoreFile> {
  const { format, resume, start, end } = options
  const handle = await open(path, resume ? 'a+' : 'w+').catch(failedAt(path))
  const failed = failedAt(path)
  try {
    const found = await findEnd(handle, path, { format, start, end })
    const { rest, owes } = comparison(path, found.owed)
    let length = found.length
    // A header that was torn is the beginning of this one, as `findEnd` saw.
    const header = format.header(end - start).subarray(found.header.length)
    if (header.length > 0) await handle.appendFile(header)
    length += header.length
    let torn = found.size > found.length
    const cut = async (): Promise<void> => {
      if (torn) await handle.truncate(length)
      torn = false
    }
    return {
      from: found.from,
      rowsBefore: found.rowsBefore,
      path,
      async append(examples) {
        const bytes = rest(format.encode(examples))
        if (owes() || bytes.length === 0) return
        await cut().catch(failed)
        await handle.appendFile(bytes).catch(failed)
        length += bytes.length
      },
      async finish() {
        if (owes()) throw otherRequest(path)
        await cut().catch(failed)
        await assertOurs(handle, path, length)
        await writeHeader(path, format, length).catch(failed)
        await handle.sync().catch(failed)
        await rename(path, out).catch(failedAt(out))
        await syncFolder(dirname(out))
      },
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw failed(error)
  }
}

/** A lock guards on one machine alone; where another wrote as well, its rows are among ours, or the name is of its file. */
async function assertOurs(handle: FileHandle, path: string, length: number): Promise<void> {
  const [ours, there] = await Promise.all([handle.stat(), stat(path).catch(() => undefined)])
  if (there?.ino === ours.ino && there.dev === ours.dev && ours.size === length) return
  throw new ResumeError(`${path}: another process wrote it as well`, { remedy: 'begin anew without --resume, one process to a file' })
}

/** The header says how many rows there are, which is known at the end: broken examples have none. */
async function writeHeader(path: string, format: RowFormat, length: number): Promise<void> {
  if (!format.rowBytes) return
  const handle = await open(path, 'r+')
  try {
    const header = format.header((length - format.header(0).length) / format.rowBytes)
    await handle.write(header, 0, header.length, 0)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function notWhole(path: string): ResumeError {
  return new ResumeError(`${path}: it is whole by its name, but not all that this request asks for`, {
    remedy: `call it ${path}.partial to go on with it, or begin anew without --resume`,
  })
}
