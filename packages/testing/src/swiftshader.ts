import { join } from 'node:path'
import { isCarried, unpacked } from './unpack.ts'

/**
 * The environment in which a process finds SwiftShader, a Vulkan device in software, where it looks for a GPU by Vulkan; the loader of
 * libraries reads it when the process starts. Empty where there is none to be had: on macOS and Windows the system's own GPU serves.
 */
export async function swiftShaderEnvironment(): Promise<Readonly<Record<string, string>>> {
  if (!isCarried) return {}
  const folder = await unpacked('swiftshader', ['swiftshader.tar'])
  return {
    VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json'),
    LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? folder,
  }
}
