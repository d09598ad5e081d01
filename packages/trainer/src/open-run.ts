import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CheckpointError, checkpointFiles, isCheckpoint, type RunState, resumable, writeCheckpoint } from './checkpoint.ts'
import { ensureFolder, probeFile, remove, temporaryOf } from './files.ts'
import { historyFile } from './history.ts'
import { anotherRuns, lockFile, lockFolder } from './lock.ts'
import { type Resumed, resumeRun, runSamples, runTable, scratchBundle } from './run.ts'

export type OpenOptions = {
  /** Go on from the folder's last checkpoint, where there is one. */
  readonly resume?: boolean | undefined
  /** Begin again in a folder that holds a run already. */
  readonly overwrite?: boolean | undefined
  /** The way out where the folder holds a run already. */
  readonly taken?: string | undefined
  /** Hears of a damaged checkpoint that another stands in for. */
  readonly onWarning: (message: string) => void
}

export type OpenedRun = {
  /** The run to go on with, if any. */
  readonly begun: Resumed['begun'] | undefined
  /** Removes what an earlier run left, and mends what a fault left. Called when there is something to put in its place. */
  readonly clear: () => Promise<void>
  /** Lets other processes have the folder. */
  readonly close: () => void
}

/**
 * Opens a run's folder, which is sure to be writable and this process's own, and refuses one that is not for this run. It removes nothing yet.
 * @throws CheckpointError, LockedError, WriteError
 */
export async function openRun(out: string, wanted: Pick<RunState, 'recipe' | 'data'>, options: OpenOptions): Promise<OpenedRun> {
  await ensureFolder(out)
  const close = lockFolder(out)
  try {
    const files = await readdir(out)
    assertFree(out, files, options)
    const leftovers = files.filter(isLeftover)
    const opened = options.resume ? await resumeRun(out, files, wanted, options.onWarning) : undefined
    const gone = opened?.unusable ?? earlierRun(files)
    return {
      begun: opened?.begun,
      clear: async () => {
        for (const name of [...leftovers, ...gone]) await remove(join(out, name))
        if (opened?.best) await writeCheckpoint(join(out, checkpointFiles.best), opened.best)
      },
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

function assertFree(
  out: string,
  files: readonly string[],
  { resume, overwrite, taken = '--resume goes on with it, --overwrite begins again' }: OpenOptions,
): void {
  const holdsRun = files.some(isCheckpoint)
  if (holdsRun && !resume && !overwrite) {
    throw new CheckpointError(`run ${out}: the folder holds a run already`, {
      remedy: taken,
      usage: true,
    })
  }
  if (!holdsRun && files.includes(historyFile)) {
    throw new CheckpointError(`run ${out}: the folder holds a ${historyFile} that is no run's`, {
      remedy: 'give another --out',
      usage: true,
    })
  }
}

/**
 * The files of a run that is to be overwritten, in the order in which they go. What is no checkpoint goes first: left alone it would be taken
 * for somebody else's. Then what a run resumes from: the rest without it is not gone on with by mistake.
 */
function earlierRun(files: readonly string[]): string[] {
  const checkpoints = files.filter(isCheckpoint)
  if (checkpoints.length === 0) return []
  return [...new Set([historyFile, runSamples, runTable, ...resumable, ...checkpoints])].filter((name) => files.includes(name))
}

/**
 * A temporary file or folder of a run whose process is no more, or bore our number: we hold the lock, and have written nothing yet. A bundle is
 * written under a temporary name of its own temporary name.
 */
function isLeftover(file: string): boolean {
  const temporary = temporaryOf(file)
  if (!temporary || anotherRuns(temporary.pid)) return false
  const { name } = temporaryOf(temporary.name) ?? temporary
  return isCheckpoint(name) || [historyFile, lockFile, runSamples, runTable, scratchBundle, probeFile].includes(name)
}
