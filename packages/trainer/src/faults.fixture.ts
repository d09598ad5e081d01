import files, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'

/** Called with each change of files before it is made: to throw is to make it fail, never to return is to be stopped there. */
export type Fault = (change: string) => void | Promise<void>

/** A fault at the change of files of one number, counted from 1. */
export function at(number: number, fault: Fault): Fault {
  let changes = 0
  return (change) => (++changes === number ? fault(change) : undefined)
}

/** The error of a system call. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: as the system has it`), { code })
}

/**
 * Does work with faults in the way of all that this process does to files: what is opened for writing, written (half of the first piece is,
 * before the fault), flushed, renamed and removed.
 */
export async function withFaults<T>(fault: Fault, work: () => Promise<T>): Promise<T> {
  const { open, rename, rm } = files
  const probe = await open('.', 'r')
  const handle = Object.getPrototypeOf(probe) as FileHandle
  await probe.close()
  const { writeFile, sync } = handle
  const opened: FileHandle[] = []
  const begun = new Set<FileHandle>()

  files.open = async (path, flags, mode) => {
    if (flags === 'w') await fault(`open ${basename(String(path))}`)
    const file = await open(path, flags, mode)
    opened.push(file)
    return file
  }
  files.rename = async (from, to) => {
    await fault(`rename ${basename(String(from))} to ${basename(String(to))}`)
    await rename(from, to)
  }
  files.rm = async (path, options) => {
    await fault(`remove ${basename(String(path))}`)
    await rm(path, options)
  }
  handle.writeFile = async function (this: FileHandle, data, options) {
    if (begun.has(this)) return writeFile.call(this, data, options)
    begun.add(this)
    const bytes = data as Uint8Array
    const half = bytes.length >> 1
    await writeFile.call(this, bytes.subarray(0, half), options)
    await fault('write')
    await writeFile.call(this, bytes.subarray(half), options)
  }
  handle.sync = async function (this: FileHandle) {
    await fault(begun.has(this) ? 'flush' : 'flush the folder')
    await sync.call(this)
  }
  syncBuiltinESMExports()
  try {
    return await work()
  } finally {
    Object.assign(files, { open, rename, rm })
    Object.assign(handle, { writeFile, sync })
    syncBuiltinESMExports()
    for (const file of opened) await file.close()
  }
}

/**
 * Stops work for ever before its change of files of this number: what it leaves on disk is what SIGKILL leaves.
 * @returns whether it came so far
 */
export async function stoppedAt(number: number, work: () => Promise<unknown>): Promise<boolean> {
  let stop = (): void => {}
  const stopped = new Promise<true>((resolve) => {
    stop = () => resolve(true)
  })
  const fault = at(number, () => {
    stop()
    return new Promise(() => {})
  })
  return withFaults(fault, () => Promise.race([stopped, work().then(() => false)]))
}

/** Does work while the disk fails where files of this name are. */
export async function withBadSector<T>(name: string, work: () => Promise<T>): Promise<T> {
  const { readFile } = files
  const failing = async (path: Parameters<typeof readFile>[0], options?: Parameters<typeof readFile>[1]): Promise<string | Buffer> => {
    if (basename(String(path)) === name) throw systemError('EIO')
    return readFile(path, options)
  }
  files.readFile = failing as typeof readFile
  syncBuiltinESMExports()
  try {
    return await work()
  } finally {
    files.readFile = readFile
    syncBuiltinESMExports()
  }
}

/** Does work without the rights of root, whom permissions do not hold back. */
export async function asPlainUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work()
  const nobody = 65534
  process.seteuid!(nobody)
  try {
    return await work()
  } finally {
    process.seteuid!(0)
  }
}
