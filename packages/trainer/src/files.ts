import { rmSync, writeFileSync } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { NiceflowError } from '@niceflow/core'

/** A file or folder that could not be written. What was there before is untouched. */
export class WriteError extends NiceflowError {
  override readonly name = 'WriteError'
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space on the disk, then run the command again (train and score go on with --resume)',
  EFBIG: 'raise the limit on file sizes, then run the command again (train and score go on with --resume)',
  EACCES: 'choose a folder that you may write to',
  EROFS: 'choose a folder on a disk that can be written to',
  EPERM: 'choose a folder that you may write to',
  ENOENT: 'make its folder first',
  ENOTDIR: 'choose a path whose parents are folders',
  EEXIST: 'choose a path that is not a file',
  EISDIR: 'choose a path that is not a folder',
}

export function writeError(what: string, path: string, cause: NodeJS.ErrnoException): WriteError {
  const remedy = remedies[cause.code ?? '']
  return new WriteError(`${what} ${path} cannot be written: ${cause.code ?? cause.message}`, { cause, ...(remedy ? { remedy } : {}) })
}

/** The name under which something is written before it takes its own. Another ending is for what is put aside; no name has both. */
export function temporaryName(path: string, ending = 'tmp'): string {
  return `${path}.${process.pid}.${ending}`
}

/** What `temporaryName` made a name of, and the process that did; undefined for other files. */
export function temporaryOf(file: string, ending = 'tmp'): { readonly name: string; readonly pid: number } | undefined {
  const stem = file.endsWith(`.${ending}`) ? file.slice(0, -1 - ending.length) : ''
  const [, name, pid] = /^(.+)\.(\d+)$/.exec(stem) ?? []
  return name === undefined ? undefined : { name, pid: Number(pid) }
}

/**
 * Writes a file whole or not at all: a temporary file beside it, fsync, rename. A reader never sees half of it, and a failure leaves the
 * earlier file as it was.
 * @param contents whole, or in pieces, which may be made while it is written
 * @param check looks at the temporary file, and throws where it must not take the name
 * @throws WriteError naming the path, the reason and the way out; what the making of pieces throws, and `check`
 */
export async function writeAtomic(
  path: string,
  contents: string | Uint8Array | readonly Uint8Array[] | AsyncIterable<Uint8Array>,
  check: (temporary: string) => Promise<void> = async () => {},
): Promise<void> {
  const chunks = typeof contents === 'string' ? [Buffer.from(contents)] : contents instanceof Uint8Array ? [contents] : contents
  const temporary = temporaryName(path)
  try {
    const file = await open(temporary, 'w')
    try {
      for await (const chunk of chunks) await file.writeFile(chunk)
      await file.sync()
    } finally {
      await file.close()
    }
    await check(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw NiceflowError.is(error) ? error : writeError('file', path, error as NodeJS.ErrnoException)
  }
  await syncFolder(dirname(path))
}

/**
 * Removes a file, or a folder with all that is in it, where there is one.
 * @throws WriteError
 */
export async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch((cause: NodeJS.ErrnoException) => {
    throw writeError('file', path, cause)
  })
}

/** Makes a rename last through a power cut. Not every system lets a folder be opened; there the rename alone must do. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined)
  await folder?.sync().catch(() => undefined)
  await folder?.close()
}

/** Has a temporary name only: what `ensureFolder` writes and removes. */
export const probeFile = 'probe'

/** A block of the usual size: a full disk still takes files that hold nothing. */
const probeBytes = 4096

/**
 * Makes a folder and checks that it can be written to, before hours of work are spent on what goes there. Only to write tells: permissions
 * say nothing of a disk that is read-only or full.
 * @throws WriteError
 */
export async function ensureFolder(path: string): Promise<void> {
  const probe = temporaryName(join(path, probeFile))
  try {
    await makeFolder(path)
    // Written and removed at once, so that a kill hardly ever leaves it.
    try {
      writeFileSync(probe, new Uint8Array(probeBytes))
    } finally {
      rmSync(probe, { force: true })
    }
  } catch (error) {
    throw writeError('folder', path, error as NodeJS.ErrnoException)
  }
}

/** By single steps: under a parent that takes no folders (/proc), Node's recursive `mkdir` tries for ever. */
async function makeFolder(path: string): Promise<void> {
  const parent = dirname(path)
  if (parent !== path && !(await exists(parent))) await makeFolder(parent)
  await mkdir(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error
  })
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
