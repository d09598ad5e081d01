import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { type NativeEngine, type NativePackage, nativePackages } from '@niceflow/runtime-node'
import { addonPlace } from './addon.ts'
import { complaint, run } from './process.ts'

/** How long a server has to answer. */
const patience = 5_000

/** A file that the package's own install script would fetch. The package says where from. */
export async function vendorFile(engine: NativeEngine, { folder, version }: NativePackage): Promise<string> {
  if (engine === 'onnxruntime') {
    const { feeds } = createRequire(import.meta.url)(join(folder, 'script', 'install-metadata.js')) as {
      feeds: { nuget: { index: string } }
    }
    return feeds.nuget.index
  }
  const { binary } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { binary: { host: string; remote_path: string } }
  const { napi } = await addonPlace({ folder, version })
  const path = binary.remote_path.replace('{napi_build_version}', String(napi)).replace('{version}', version)
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  return `${binary.host}/${path.replace(/^\.\//, '')}GPU-${platform}-${version}.${platform === 'windows' ? 'zip' : 'tar.gz'}`
}

/** Why a server does not give a file; undefined where it does. */
export async function refusal(url: string): Promise<string | undefined> {
  const { host } = new URL(url)
  try {
    const { ok, status } = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(patience) })
    return ok ? undefined : `${host} answers ${status}`
  } catch (error) {
    const { message, cause } = error as Error & { cause?: NodeJS.ErrnoException }
    return `${host} does not answer (${cause?.code ?? message})`
  }
}

/**
 * Runs the package's own install script, which `npm ci` left out here.
 * @returns the files that it left in the package
 * @throws NiceflowError where it fails
 */
export async function vendorInstall(engine: NativeEngine, found: NativePackage): Promise<string[]> {
  const name = nativePackages[engine]
  const root = found.folder.slice(0, found.folder.indexOf(join('/', 'node_modules')))
  const npm = process.env.npm_execpath
  const words = ['rebuild', name, '--ignore-scripts=false', '--foreground-scripts']
  const ended = npm?.endsWith('.js') ? await run(process.execPath, [npm, ...words], { cwd: root }) : await run('npm', words, { cwd: root })
  const expected =
    engine === 'tfjs'
      ? (await addonPlace(found)).file
      : join('bin', 'napi-v6', process.platform, process.arch, 'libonnxruntime_providers_cuda.so')
  if (ended.code === 0 && existsSync(join(found.folder, expected))) return [expected]
  throw new NiceflowError(`npm ${words.slice(0, 3).join(' ')} failed: ${complaint(ended)}`, {
    remedy: 'use --source pypi, which takes everything from a Python package index',
  })
}
