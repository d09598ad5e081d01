import { createReadStream, existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createBrotliDecompress } from 'node:zlib'
import { extract } from 'tar-fs'

/** The archive of SwiftShader, a Vulkan device in software, in the package that carries a Chromium for Linux on x64. */
const archive = '../bin/swiftshader.tar.br'
const version = '153.0.0'

/**
 * The environment in which a process finds SwiftShader where it looks for a GPU by Vulkan; the loader of libraries reads it when the process
 * starts. Empty where the package has none: on macOS and Windows the system's own GPU serves.
 */
export async function swiftShaderEnvironment(): Promise<Readonly<Record<string, string>>> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return {}
  const folder = join(tmpdir(), `niceflow-swiftshader-${version}-${process.getuid?.() ?? 0}`)
  if (!existsSync(folder)) await unpack(folder)
  return {
    VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json'),
    LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? folder,
  }
}

/** Unpacks aside and renames, since other processes may do the same: the first is right, and the others' serve as well. */
async function unpack(folder: string): Promise<void> {
  const aside = await mkdtemp(`${folder}-`)
  const source = fileURLToPath(new URL(archive, import.meta.resolve('@sparticuz/chromium')))
  await mkdir(aside, { recursive: true })
  await pipeline(createReadStream(source), createBrotliDecompress(), extract(aside))
  await rename(aside, folder).catch(async (error: unknown) => {
    await rm(aside, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  })
}
