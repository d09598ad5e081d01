import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createBrotliDecompress } from 'node:zlib'
import { extract } from 'tar-fs'

const version = '153.0.0'

/** Whether the package that carries a Chromium with SwiftShader has them for this machine. */
export const isCarried: boolean = process.platform === 'linux' && process.arch === 'x64'

/** The folder of the temporary one that holds what some archives of `@sparticuz/chromium` hold, unpacked once for all processes of a user. */
export async function unpacked(what: string, archives: readonly string[]): Promise<string> {
  const folder = join(tmpdir(), `niceflow-${what}-${version}-${process.getuid?.() ?? 0}`)
  if (!existsSync(folder)) await unpack(folder, archives)
  return folder
}

/** Unpacks aside and renames, since other processes may do the same: the first is right, and the others' serve as well. */
async function unpack(folder: string, archives: readonly string[]): Promise<void> {
  const aside = await mkdtemp(`${folder}-`)
  for (const archive of archives) {
    const source = fileURLToPath(new URL(`../bin/${archive}.br`, import.meta.resolve('@sparticuz/chromium')))
    const target = archive.endsWith('.tar') ? extract(aside) : createWriteStream(join(aside, archive), { mode: 0o700 })
    await pipeline(createReadStream(source), createBrotliDecompress(), target)
  }
  await rename(aside, folder).catch(async (error: unknown) => {
    await rm(aside, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  })
}
