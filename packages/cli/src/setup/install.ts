import { existsSync } from 'node:fs'
import { mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { type InstallRecord, type NativeEngine, type NativePackage, nativePackage, nativePackages } from '@niceflow/runtime-node'
import { bytesProgress, note } from '../progress.ts'
import { megabytes } from '../text.ts'
import { addonFile, addonPlace, cachedAddon, findCompiler } from './addon.ts'
import { findPython, pipFetch } from './pip.ts'
import { placeProviders, placeTensorflow } from './place.ts'
import { bytesNeeded, versionsOf, wheelsFor } from './plan.ts'
import { vendorInstall } from './vendor.ts'
import { cachedWheel, isCached, wheelFolder } from './wheel-cache.ts'
import { projectOf, type Wheel } from './wheels.ts'

/** An engine whose libraries are wanted, for the CPU or for CUDA. */
export type Wanted = { readonly engine: NativeEngine; readonly build: 'cpu' | 'cuda' }

/** @throws NiceflowError where the package is not installed */
export function packageOf(engine: NativeEngine): NativePackage {
  const found = nativePackage(engine)
  if (found) return found
  const name = nativePackages[engine]
  throw new NiceflowError(`${name} is not installed`, { remedy: `npm install ${name}` })
}

/** Has the package's own install script get the libraries. */
export async function fromVendor({ engine }: Wanted): Promise<InstallRecord> {
  const found = packageOf(engine)
  note(`${engine}: npm rebuild ${nativePackages[engine]}`)
  const files = await vendorInstall(engine, found)
  return { format: 1, engine, package: found, source: 'vendor', build: 'cuda', files, libraries: [], versions: {} }
}

/**
 * Gets the libraries out of wheels of PyPI, through the cache.
 * @throws NiceflowError naming what this machine lacks for it
 */
export async function fromPypi({ engine, build }: Wanted, cache: string): Promise<InstallRecord> {
  const found = packageOf(engine)
  const wheels = wheelsFor(engine, build, found)
  const missing = await missingWheels(cache, wheels)
  // What would fail at the end fails before the first byte is fetched.
  if (engine === 'tfjs') await assertBuildable(cache, found, wheels[0]!)
  if (missing.length > 0) await fetchAll(cache, missing)
  const folders = wheels.map((wheel) => wheelFolder(cache, wheel))
  const files = engine === 'tfjs' ? await installTensorflow(cache, found, folders[0]!) : await placeProviders(found.folder, folders[0]!)
  const libraries = wheels.flatMap((wheel, i) => wheel.libraries.map((folder) => join(folders[i]!, folder)))
  return { format: 1, engine, package: found, source: 'pypi', build, files, libraries, versions: versionsOf(wheels) }
}

export async function missingWheels(cache: string, wheels: readonly Wheel[]): Promise<readonly Wheel[]> {
  const there = await Promise.all(wheels.map((wheel) => isCached(cache, wheel)))
  return wheels.filter((_, i) => !there[i])
}

async function fetchAll(cache: string, wheels: readonly Wheel[]): Promise<void> {
  await assertRoom(cache, wheels)
  const python = await findPython()
  note(
    `pip ${python.pip} of ${python.command} ${python.version} fetches ${wheels.length} wheels, ${megabytes(bytesOf(wheels))}, into ${cache}`,
  )
  for (const [i, wheel] of wheels.entries()) {
    const { project, version } = projectOf(wheel)
    const what = `${i + 1}/${wheels.length} ${project} ${version}`
    const bar = bytesProgress(what, wheel.bytes)
    try {
      await cachedWheel(
        cache,
        wheel,
        pipFetch(python, (_, bytes) => bar.update(bytes)),
      )
    } finally {
      bar.stop()
    }
    note(`${what}: ${megabytes(wheel.bytes)} fetched, ${megabytes(wheel.keptBytes)} kept`)
  }
}

export function bytesOf(wheels: readonly Wheel[]): number {
  return wheels.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** @throws NiceflowError where the disk of the cache has too little room */
export async function assertRoom(
  cache: string,
  wheels: readonly Wheel[],
  free: (folder: string) => Promise<number> = freeBytes,
): Promise<void> {
  const needed = bytesNeeded(wheels)
  const got = await free(cache)
  if (got >= needed) return
  throw new NiceflowError(`${cache}: expected ${megabytes(needed)} free on its disk, got ${megabytes(got)}`, {
    remedy: 'free some, or name a folder on another disk in the variable NICEFLOW_CACHE',
  })
}

async function freeBytes(folder: string): Promise<number> {
  await mkdir(folder, { recursive: true })
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

async function assertBuildable(cache: string, found: NativePackage, wheel: Wheel): Promise<void> {
  if (!existsSync(addonFile(cache, found, await addonPlace(found), wheelFolder(cache, wheel)))) await findCompiler()
}

async function installTensorflow(cache: string, found: NativePackage, wheel: string): Promise<string[]> {
  const place = await addonPlace(found)
  const from = await cachedAddon(cache, found, place, wheel, () => note('building the binding of TensorFlow.js'))
  return placeTensorflow(found.folder, { from, to: place.file }, join(wheel, 'tensorflow'))
}
