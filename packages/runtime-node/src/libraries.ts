import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The engines that run native libraries, and the npm packages that bind them. Both bring a libcudnn 9: never load the two in one process. */
export const nativePackages = { tfjs: '@tensorflow/tfjs-node-gpu', onnxruntime: 'onnxruntime-node' } as const
export type NativeEngine = keyof typeof nativePackages

type Environment = Readonly<Record<string, string | undefined>>

/** What `niceflow setup` did to one install of an engine's package. */
export type InstallRecord = {
  readonly format: 1
  readonly engine: NativeEngine
  /** Where the package lies, and its version. */
  readonly package: NativePackage
  /** Who the libraries came from: the package's own install script, or wheels of PyPI. */
  readonly source: 'vendor' | 'pypi'
  /** What they are built for. */
  readonly build: 'cpu' | 'cuda'
  /** Files that were put into the package, relative to its folder. */
  readonly files: readonly string[]
  /** Folders of the libraries that these files need, for the dynamic loader; absolute. */
  readonly libraries: readonly string[]
  /** Versions of what the libraries came in. */
  readonly versions: Readonly<Record<string, string>>
}

export type NativePackage = { readonly folder: string; readonly version: string }

/** Where what `niceflow setup` fetches is kept, outside of any project: NICEFLOW_CACHE, else niceflow in the user's folder of caches. */
export function cacheFolder(env: Environment = process.env): string {
  return env.NICEFLOW_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'niceflow')
}

/** The package that binds an engine, as this process would load it; undefined where it is not installed. */
export function nativePackage(engine: NativeEngine): NativePackage | undefined {
  const name = nativePackages[engine]
  let main: string
  try {
    main = createRequire(import.meta.url).resolve(name)
  } catch {
    return undefined
  }
  const folder = main.slice(0, main.lastIndexOf(join('node_modules', name)) + join('node_modules', name).length)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  return { folder, version }
}

/** Where the record of a package's install is. There is one file for each, so that setups of several projects do not meet. */
export function recordPath(engine: NativeEngine, folder: string, env: Environment = process.env): string {
  const key = createHash('sha256').update(folder).digest('hex').slice(0, 16)
  return join(cacheFolder(env), 'installs', `${engine}-${key}.json`)
}

/** The record of the install that this process would load, where all that it tells of is still there; else undefined. */
export function readRecord(engine: NativeEngine, env: Environment = process.env): InstallRecord | undefined {
  const found = nativePackage(engine)
  if (!found) return undefined
  let record: InstallRecord
  try {
    record = JSON.parse(readFileSync(recordPath(engine, found.folder, env), 'utf8')) as InstallRecord
  } catch {
    return undefined
  }
  const holds =
    record.format === 1 &&
    record.engine === engine &&
    record.package.folder === found.folder &&
    record.package.version === found.version &&
    record.files.every((file) => existsSync(join(found.folder, file))) &&
    record.libraries.every((folder) => existsSync(folder))
  return holds ? record : undefined
}

export type EnvironmentOptions = {
  /** Lets matrix products round factors to ten bits. @default false */
  readonly tf32?: boolean
  /** The environment that the variables are added to. @default process.env */
  readonly env?: Environment
}

/**
 * The variables that an engine's process needs, beside those that it has (none where it has them all); undefined where `niceflow setup` did not set the engine up. The
 * dynamic loader and CUDA read them when the process starts: a process that runs cannot give them to itself.
 */
export function engineEnvironment(
  engine: NativeEngine,
  { tf32 = false, env = process.env }: EnvironmentOptions = {},
): Record<string, string> | undefined {
  const record = readRecord(engine, env)
  return record && environmentOf(record, { tf32, env })
}

/** The variables that a process needs to run what a record tells of. */
export function environmentOf(
  { engine, libraries }: Pick<InstallRecord, 'engine' | 'libraries'>,
  { tf32 = false, env = process.env }: EnvironmentOptions = {},
): Record<string, string> {
  const known = env.LD_LIBRARY_PATH ? env.LD_LIBRARY_PATH.split(':') : []
  const missing = libraries.some((folder) => !known.includes(folder))
  const defaults = { ...cudaVariables({ tf32 }), ...(engine === 'tfjs' ? tensorflowDefaults : {}) }
  return {
    ...(missing ? { LD_LIBRARY_PATH: [...libraries, ...known].join(':') } : {}),
    // What the user set comes first.
    ...Object.fromEntries(Object.entries(defaults).filter(([name]) => env[name] === undefined)),
  }
}

/** What CUDA is told by its environment alone. */
export function cudaVariables({ tf32 = false }: { readonly tf32?: boolean }): Readonly<Record<string, string>> {
  // GPUs count as nvidia-smi counts them; CUDA's own order begins with the fastest.
  return { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', ...(tf32 ? {} : { NVIDIA_TF32_OVERRIDE: '0' }) }
}

const tensorflowDefaults = {
  // What ends a run is thrown; the log says at every start that plugins of CUDA are registered twice.
  TF_CPP_MIN_LOG_LEVEL: '3',
  // Takes the GPU's memory as it needs it, not all of it at once.
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
}
