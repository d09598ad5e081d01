import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import type { NativePackage } from '@niceflow/runtime-node'
import { exists, replaceFolder } from '@niceflow/trainer'
import { complaint, run } from './process.ts'

/** What the package's own script would call the addon, and for which version of Node-API. */
export type AddonPlace = { readonly napi: number; readonly file: string }

/** Where `@tensorflow/tfjs-node-gpu` looks for its addon, relative to its folder. */
export async function addonPlace({ folder }: NativePackage, napiOfNode: number = Number(process.versions.napi)): Promise<AddonPlace> {
  const { binary } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    binary: { module_name: string; module_path: string; napi_versions: readonly number[] }
  }
  const napi = Math.max(...binary.napi_versions.filter((version) => version <= napiOfNode))
  return { napi, file: join(binary.module_path.replace('{napi_build_version}', String(napi)), `${binary.module_name}.node`) }
}

/**
 * A C++ compiler: CXX, c++, g++ or clang++.
 * @throws NiceflowError where there is none
 */
export async function findCompiler(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const candidates = env.CXX ? [env.CXX] : ['c++', 'g++', 'clang++']
  for (const command of candidates) {
    if ((await run(command, ['--version'], { env })).code === 0) return command
  }
  throw new NiceflowError(`no C++ compiler runs (${candidates.join(', ')}): the binding of TensorFlow.js is built from its sources`, {
    remedy: 'install one (apt install g++, dnf install gcc-c++), or name one in the variable CXX',
  })
}

/** Where the addon for a libtensorflow is in the cache: by what it is made of. */
export function addonFile(cache: string, { version }: NativePackage, { napi, file }: AddonPlace, tensorflow: string): string {
  return join(cache, 'addons', `tfjs-node-gpu-${version}-napi${napi}-${basename(tensorflow)}`, basename(file))
}

/**
 * Builds the package's addon against a libtensorflow, where the cache lacks it. Two files are compiled; the C API of Node comes from npm, so
 * that it takes neither node-gyp nor the headers of an installed Node.
 * @param tensorflow the unpacked wheel
 * @returns the addon's path
 */
export async function cachedAddon(
  cache: string,
  found: NativePackage,
  place: AddonPlace,
  tensorflow: string,
  onStart: () => void,
): Promise<string> {
  const path = addonFile(cache, found, place, tensorflow)
  if (await exists(path)) return path
  const compiler = await findCompiler()
  onStart()
  await replaceFolder(
    join(path, '..'),
    async () => {},
    async (draft) => {
      const libraries = join(tensorflow, 'tensorflow')
      const { include_dir: nodeHeaders } = createRequire(import.meta.url)('node-api-headers') as { include_dir: string }
      const ended = await run(compiler, [
        ...['-shared', '-fPIC', '-std=c++17', '-O2', '-fvisibility=hidden', `-DNAPI_VERSION=${place.napi}`],
        ...[nodeHeaders, join(libraries, 'include')].flatMap((folder) => ['-I', folder]),
        ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => join(found.folder, 'binding', file)),
        ...['-o', join(draft, basename(path)), '-L', libraries, '-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'],
        // Where its package keeps libraries.
        '-Wl,-rpath,$ORIGIN/../../deps/lib',
      ])
      if (ended.code === 0) return
      throw new NiceflowError(`the binding of TensorFlow.js does not build with ${compiler}: ${complaint(ended)}`, {
        remedy: 'it needs C++17 and GNU ld, gold, lld or mold: name another compiler in the variable CXX',
      })
    },
  )
  return path
}
