import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'

/** Versions of what made a model: this package's and ONNX Runtime's. */
export async function versions(): Promise<Readonly<Record<string, string>>> {
  const own = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return { niceflow: own.version, 'onnxruntime-node': await installedVersion('onnxruntime-node') }
}

/** The version of a package that @niceflow/runtime-node depends on. */
async function installedVersion(name: string): Promise<string> {
  const require = createRequire(import.meta.resolve('@niceflow/runtime-node'))
  const manifest = require.resolve.paths(name)?.map((folder) => join(folder, name, 'package.json')) ?? []
  for (const path of manifest) {
    const text = await readFile(path, 'utf8').catch(() => undefined)
    if (text !== undefined) return (JSON.parse(text) as { version: string }).version
  }
  return 'unknown'
}
