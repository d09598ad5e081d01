import { readdir, rename } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { ensureFolder, exists, remove, syncFolder, temporaryName, temporaryOf, writeError } from './files.ts'
import { anotherRuns } from './lock.ts'

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
    await remove(draft)
    await ensureFolder(draft)
    const made = await make(draft)
    await assertReplaceable()
    await swap(draft, folder)
    return made
  } finally {
    await remove(draft)
  }
}

/** The ending of the temporary name that a folder has from when it is replaced until the new one is in its place. */
const oldEnding = 'old.tmp'

async function swap(fresh: string, folder: string): Promise<void> {
  const old = temporaryName(folder, oldEnding)
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
  await remove(old)
}

/**
 * Removes what processes that were killed at work on this folder left beside it, and what an earlier process of this one's number did: this one
 * has made nothing yet. An old folder that nothing has replaced gets its name back.
 */
async function tidyUp(folder: string): Promise<void> {
  for (const name of await readdir(dirname(folder))) {
    const old = temporaryOf(name, oldEnding)
    const left = old ?? temporaryOf(name)
    if (left?.name !== basename(folder) || anotherRuns(left.pid)) continue
    const path = join(dirname(folder), name)
    if (old && !(await exists(folder))) await rename(path, folder)
    else await remove(path)
  }
}
