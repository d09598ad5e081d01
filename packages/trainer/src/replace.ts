import { readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { ensureFolder, exists, syncFolder, temporaryName, temporaryOf, writeError } from './files.ts'
import { isAlive } from './lock.ts'

/**
 * Makes a folder anew: under another name, which takes the folder's own when all is done. A failure leaves what was there.
 * @param assertReplaceable throws where the folder holds what must stay; asked before the work and again before the swap
 * @param make fills the new folder, whose path it is given
 * @throws WriteError, and what the two throw
 */
export async function replaceFolder<T>(
  path: string,
  assertReplaceable: () => Promise<void>,
  make: (draft: string) => Promise<T>,
): Promise<T> {
  const folder = resolve(path)
  await ensureFolder(dirname(folder))
  await tidyUp(folder)
  await assertReplaceable()
  const draft = temporaryName(folder)
  try {
    await rm(draft, { recursive: true, force: true })
    await ensureFolder(draft)
    const made = await make(draft)
    await assertReplaceable()
    await swap(draft, folder)
    return made
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** What is replaced goes by this name until the new folder is in its place. */
const oldName = (folder: string): string => `${folder}.old`

async function swap(fresh: string, folder: string): Promise<void> {
  const old = temporaryName(oldName(folder))
  const replaces = await exists(folder)
  try {
    if (replaces) await rename(folder, old)
    try {
      await rename(fresh, folder)
    } catch (error) {
      if (replaces) await rename(old, folder)
      throw error
    }
  } catch (error) {
    throw writeError('folder', folder, error as NodeJS.ErrnoException)
  }
  await syncFolder(dirname(folder))
  await rm(old, { recursive: true, force: true })
}

/** Removes what processes that were killed at work on this folder left beside it. An old folder that nothing has replaced gets its name back. */
async function tidyUp(folder: string): Promise<void> {
  for (const name of await readdir(dirname(folder))) {
    const left = temporaryOf(name)
    if (!left || isAlive(left.pid)) continue
    const path = join(dirname(folder), name)
    const isOld = left.name === basename(oldName(folder))
    if (isOld && !(await exists(folder))) await rename(path, folder)
    else if (isOld || left.name === basename(folder)) await rm(path, { recursive: true, force: true })
  }
}
