import { constants, copyFileSync, linkSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { temporaryName, writeError } from './files.ts'

/** In a run's folder while a process trains in it: the process's number. */
export const lockFile = 'train.lock'

/** Another process holds what only one may write to. */
export class LockedError extends NiceflowError {
  override readonly name = 'LockedError'
}

/** The locks that this process holds. One that bears its number and is not among them was left by an earlier process of that number. */
const held = new Set<string>()

/**
 * Takes a run's folder for this process, as `takeLock` does.
 * @returns what gives it back
 * @throws LockedError naming the process that holds it
 * @throws WriteError
 */
export function lockFolder(folder: string): () => void {
  return takeLock(join(realpathSync(folder), lockFile), (pid) => `run ${folder}: process ${pid} is training in it`)
}

/**
 * Makes a lock of this process; one whose process is gone, as SIGKILL leaves it, is taken over. All is done at once, so that hardly a moment lies
 * between its steps.
 *
 * It guards against processes of this machine alone, as a number says nothing of another's. Containers are machines of their own: where two share
 * a volume and the process of each is number 1, each takes the other's lock for one that its own predecessor left, and both go on.
 * @param path in a folder that is there, by its real name
 * @param heldBy what is said of the process that holds it
 * @returns what gives it back
 * @throws LockedError naming the process that holds it
 * @throws WriteError
 */
export function takeLock(path: string, heldBy: (pid: number) => string): () => void {
  try {
    while (!created(path)) {
      const pid = holder(path)
      if (pid !== undefined && (pid === process.pid ? held.has(path) : anotherRuns(pid))) throw locked(heldBy(pid), path, pid)
      removeStale(path, pid)
    }
  } catch (error) {
    throw NiceflowError.is(error) ? error : writeError('file', path, error as NodeJS.ErrnoException)
  }
  held.add(path)
  return () => {
    held.delete(path)
    if (holder(path) === process.pid) rmSync(path, { force: true })
  }
}

/** Makes the lock unless there is one. It bears its number from the first: one without is taken for nobody's. */
function created(path: string): boolean {
  const draft = temporaryName(path)
  try {
    writeFileSync(draft, `${process.pid}\n`)
    return placed(draft, path)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Gives a file a second name unless that is taken. Where a disk knows no second names it is copied, and there before it is whole. */
function placed(file: string, path: string): boolean {
  try {
    linkSync(file, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
  }
  try {
    copyFileSync(file, path, constants.COPYFILE_EXCL)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** The process that a lock names; undefined where it names none, as when its process was ended before it could write. */
function holder(path: string): number | undefined {
  try {
    const [, pid] = /^([1-9]\d*)\n$/.exec(readFileSync(path, 'utf8')) ?? []
    return pid === undefined ? undefined : Number(pid)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return undefined
  }
}

/**
 * Of processes that find a stale lock at the same time one moves it away; another that moves the new lock of the first puts it back, unless a
 * third has taken the folder in that moment: then that one's stays.
 */
function removeStale(path: string, pid: number | undefined): void {
  const aside = temporaryName(path)
  try {
    renameSync(path, aside)
    if (holder(aside) !== pid) placed(aside, path)
    rmSync(aside)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

function locked(message: string, path: string, pid: number): LockedError {
  return new LockedError(message, {
    remedy: `wait for it or stop it; if process ${pid} is another program's by now, remove ${path}`,
  })
}

/** Whether a process of this number runs on this machine, other than this one: what bears our own and we did not make, an earlier process left. */
export function anotherRuns(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code
