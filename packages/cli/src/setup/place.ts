import { mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type InstallRecord, type NativeEngine, type NativePackage, recordPath } from '@niceflow/runtime-node'
import { ensureFolder, temporaryName, writeAtomic } from '@niceflow/trainer'

/** Puts a link in the place of what has its name. It appears whole; what it leads to stays in the cache. */
export async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const draft = temporaryName(path)
  await rm(draft, { force: true })
  await symlink(target, draft)
  await rename(draft, path)
}

/** Puts TensorFlow into `@tensorflow/tfjs-node-gpu`, instead of what its own script put there. */
export async function placeTensorflow(
  folder: string,
  addon: { readonly from: string; readonly to: string },
  library: string,
): Promise<string[]> {
  await rm(join(folder, 'deps'), { recursive: true, force: true })
  await link(library, join(folder, 'deps', 'lib'))
  await mkdir(dirname(join(folder, addon.to)), { recursive: true })
  await writeAtomic(join(folder, addon.to), await readFile(addon.from))
  return [addon.to, join('deps', 'lib', 'libtensorflow_cc.so.2'), join('deps', 'lib', 'libtensorflow_framework.so.2')]
}

/** Puts ONNX Runtime's providers beside its library, where it looks for them. */
export async function placeProviders(folder: string, wheel: string): Promise<string[]> {
  const names = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so']
  const files = names.map((name) => join('bin', 'napi-v6', process.platform, process.arch, name))
  for (const [i, file] of files.entries()) await link(join(wheel, 'onnxruntime', 'capi', names[i]!), join(folder, file))
  return files
}

/** Removes the record of an install that is about to change: a setup that fails leaves none. */
export async function forget(engine: NativeEngine, { folder }: NativePackage): Promise<void> {
  await rm(recordPath(engine, folder), { force: true })
}

/** Writes down what was set up, for whoever starts the engine. */
export async function writeRecord(record: InstallRecord): Promise<void> {
  const path = recordPath(record.engine, record.package.folder)
  await ensureFolder(dirname(path))
  await writeAtomic(path, `${JSON.stringify(record, null, 2)}\n`)
}
