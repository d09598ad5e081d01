import { execFile } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** A native library that a GPU needs: where the loader finds it, and the version that its file's name tells. */
export type Library = { readonly name: string; readonly what: string; readonly path?: string; readonly version?: string }

/** What is looked for on Linux: the stem of a library's file. Others have theirs where no loader's list tells. */
const wanted: readonly { readonly name: string; readonly what: string }[] = [
  { name: 'libcuda.so', what: 'the NVIDIA driver' },
  { name: 'libcudart.so', what: 'CUDA' },
  { name: 'libcublas.so', what: 'CUDA, products of matrices' },
  { name: 'libcudnn.so', what: 'cuDNN' },
  { name: 'libvulkan.so', what: 'Vulkan, which WebGPU uses' },
]

/**
 * The libraries that GPUs need, and which of them the loader finds: in the folders of a path first, then in its own list. Linux only.
 * @param searched folders, as LD_LIBRARY_PATH has them
 */
export async function libraries(searched: string = process.env.LD_LIBRARY_PATH ?? ''): Promise<Library[]> {
  if (process.platform !== 'linux') return []
  const folders = searched.split(delimiter).filter(Boolean)
  const own = await Promise.all(folders.map(async (folder) => (await readdir(folder).catch(() => [])).map((file) => join(folder, file))))
  const known = [...own.flat(), ...(await loaderPaths())]
  return wanted.map(({ name, what }) => {
    const path = known.find((file) => basename(file).startsWith(name) && existsSync(file))
    if (path === undefined) return { name, what }
    const version = basename(realpathSync(path)).slice(name.length + 1)
    return { name, what, path, ...(version ? { version } : {}) }
  })
}

/** Every library in the loader's list (`ldconfig -p`); none where there is no such list. */
async function loaderPaths(): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ldconfig', ['-p'], {
    env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` },
  }).catch(() => ({ stdout: '' }))
  return [...stdout.matchAll(/=> (\S+)$/gm)].map(([, path]) => path!)
}
