import type { Stats } from 'node:fs'
import { open, opendir, readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { NiceflowError } from '@niceflow/core'

/**
 * The files in a folder and in those within, in the order of their paths. Links are followed, but for one to a folder that it lies in.
 * @param onBroken hears of a folder that cannot be listed, and may throw
 * @param above the real names of the folders that it lies in
 */
export async function* filesIn(
  folder: string,
  onBroken: (error: NiceflowError) => void,
  above: readonly string[] = [],
): AsyncGenerator<string> {
  const entries: string[] = []
  let within = above
  try {
    const real = await realpath(folder)
    if (above.includes(real)) return
    within = [...above, real]
    for await (const entry of await opendir(folder, { bufferSize: 1024 })) {
      const kind = entry.isSymbolicLink() ? await targetOf(join(folder, entry.name)) : entry
      // A folder's place among files is that of the paths within it.
      if (kind === undefined || kind.isFile()) entries.push(entry.name)
      else if (kind.isDirectory()) entries.push(`${entry.name}/`)
    }
  } catch (error) {
    onBroken(cannotRead(folder, error as NodeJS.ErrnoException))
    return
  }
  for (const entry of entries.sort()) {
    if (entry.endsWith('/')) yield* filesIn(join(folder, entry.slice(0, -1)), onBroken, within)
    else yield join(folder, entry)
  }
}

/** What a link leads to; one that leads nowhere counts as a file: it is named when it is read. */
function targetOf(link: string): Promise<Stats | undefined> {
  return stat(link).catch(() => undefined)
}

/** @throws NiceflowError naming the file */
export function readWhole(file: string): Promise<Uint8Array> {
  return readFile(file).catch(unreadable(file))
}

/** The beginning of a file, and the length of the whole. @throws NiceflowError naming the file */
export async function readHead(file: string, most: number): Promise<{ readonly bytes: Uint8Array; readonly length: number }> {
  const handle = await open(file).catch(unreadable(file))
  try {
    const { size } = await handle.stat()
    const { buffer, bytesRead } = await handle.read(new Uint8Array(Math.min(most, size)), 0).catch(unreadable(file))
    return { bytes: buffer.subarray(0, bytesRead), length: size }
  } finally {
    await handle.close()
  }
}

export function cannotRead(path: string, cause: NodeJS.ErrnoException): NiceflowError {
  return new NiceflowError(`${path}: cannot be read: ${cause.code ?? cause.message}`, { cause, remedy: 'check the path' })
}

export function unreadable(path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    throw cannotRead(path, cause)
  }
}
