import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findCompiler } from './addon.ts'
import { run } from './process.ts'

/** The driver's own library: no wheel has it, and a machine without a GPU lacks it. */
export const driver = 'libcuda.so.1'

/**
 * Does something with a folder that holds a stand-in for the driver, all of whose functions fail: with it what is linked to the driver loads
 * on a machine that has none, and says itself that it finds no GPU. Without a compiler, with no folder.
 * @param needy the files that call the driver
 */
export async function withDriverStub<T>(needy: readonly string[], use: (folder: string | undefined) => Promise<T>): Promise<T> {
  const compiler = await findCompiler().catch(() => undefined)
  if (compiler === undefined) return use(undefined)
  const folder = await mkdtemp(join(tmpdir(), 'niceflow-driver-'))
  try {
    const { stdout } = await run('nm', ['-D', '--undefined-only', ...needy])
    const names = new Set([...stdout.matchAll(/ U (cu[A-Z]\w*)/g)].map(([, name]) => name!))
    const source = join(folder, 'driver.cc')
    // 100 is CUDA_ERROR_NO_DEVICE.
    await writeFile(source, [...names].map((name) => `extern "C" int ${name}() { return 100; }\n`).join(''))
    const { code } = await run(compiler, ['-shared', '-fPIC', source, '-o', join(folder, driver), `-Wl,-soname,${driver}`])
    return await use(code === 0 ? folder : undefined)
  } finally {
    await rm(folder, { recursive: true })
  }
}
