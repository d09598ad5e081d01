import { closeSync, openSync, readFileSync, realpathSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { temporaryName, writeError } from './files.ts'

/** In a run's folder while a process trains in it: the process's number. */
export const lockFile = 'train.lock'

/** Another process trains in the folder. */
export class LockedError extends NiceflowError {
  override readonly name = 'LockedError'
}

/** The locks that this process holds. One that bears its number and is not among them was left by an earlier process of that number. */
const held = new Set<string>()

/**
 * Takes a run's folder for this process; a lock whose process is gone, as SIGKILL leaves it, is taken over. It guards against processes of
 * this machine alone: another's cannot be asked whether it lives. All is done at once, so that hardly a moment lies between its steps.
 * @returns what gives it back
 * @throws LockedError naming the process that holds it
 * @throws WriteError
 */
export function lockFolder(folder: string): () => void {
  const path = join(realpathSync(folder), lockFile)
  try {
    while (!created(path)) {
      const pid = holder(path)
      if (pid !== undefined && (pid === process.pid ? held.has(path) : isAlive(pid))) throw locked(folder, path, pid)
      removeStale(path, pid)
    }
  } catch (error) {
    throw NiceflowError.is(error) ? error : writeError('file', path, error as NodeJS.ErrnoException)
  }
  held.add(path)
  return () => {
    held.delete(path)
    rmSync(path, { force: true })
  }
}

/** Makes the lock unless there is one. */
function created(path: string): boolean {
  let file: number | undefined
  try {
    file = openSync(path, 'wx')
    writeSync(file, `${process.pid}\n`)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    if (file !== undefined) rmSync(path, { force: true })
    throw error
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** The process that a lock names; undefined where it names none, as when its process was ended before it could write. */
function holder(path: string): number | undefined {
  try {
    const [, pid] = /^([1-9]\d*)\n$/.exec(readFileSync(path, 'utf8')) ?? []
    return pid === undefined ? undefined : Number(pid)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
}

/** Of processes that find a stale lock at the same time one moves it away; another that moves the new lock of the first puts it back. */
function removeStale(path: string, pid: number | undefined): void {
  const aside = temporaryName(path)
  try {
    renameSync(path, aside)
    if (holder(aside) === pid) rmSync(aside)
    else renameSync(aside, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function locked(folder: string, path: string, pid: number): LockedError {
  return new LockedError(`run ${folder}: process ${pid} is training in it`, {
    remedy: `wait for it or stop it; if process ${pid} is another program's by now, remove ${path}`,
  })
}

/** Whether a process of this machine still runs. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
