import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { ServerError } from './errors.ts'

/** One version of a bundle in a folder of models. */
export type Found = {
  readonly name: string
  readonly version: string
  readonly dir: string
  /** Another when any of its files has changed, come or gone. */
  readonly signature: string
}

/** Names go into paths, URLs and metrics: they are plain. */
const safeName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const versionName = /^[1-9]\d{0,14}$/

/**
 * The bundles of a folder: it is one, or its folders are, as version 1 or in folders of their versions, `<name>/<version>/flow.json`. Others are passed
 * over. Versions are told in their order, the oldest first.
 * @throws ServerError for a folder that cannot be read, or a bundle whose name is not plain
 */
export async function scan(folder: string): Promise<Found[]> {
  const dir = resolve(folder)
  if (await isBundle(dir)) {
    const name = basename(dir)
    if (!safeName.test(name)) {
      throw new ServerError(`${dir}: expected a bundle whose name has letters, digits, dots, dashes and underscores`, {
        remedy: 'give its folder another name',
      })
    }
    return [await found(name, '1', dir)]
  }
  const names = await readdir(dir).catch((cause: NodeJS.ErrnoException) => {
    throw new ServerError(`${dir}: cannot be read: ${cause.code ?? cause.message}`, { cause, remedy: 'check the path' })
  })
  const bundles = names
    .filter((name) => safeName.test(name))
    .sort()
    .map((name) => versionsOf(name, join(dir, name)))
  return (await Promise.all(bundles)).flat()
}

async function versionsOf(name: string, dir: string): Promise<Found[]> {
  if (await isBundle(dir)) return [await found(name, '1', dir)]
  const entries = await readdir(dir).catch(() => [])
  const versions = entries.filter((entry) => versionName.test(entry)).sort((a, b) => Number(a) - Number(b))
  const bundles: Found[] = []
  for (const version of versions) {
    if (await isBundle(join(dir, version))) bundles.push(await found(name, version, join(dir, version)))
  }
  return bundles
}

async function isBundle(dir: string): Promise<boolean> {
  return stat(join(dir, 'flow.json')).then(
    (stats) => stats.isFile(),
    () => false,
  )
}

async function found(name: string, version: string, dir: string): Promise<Found> {
  const hash = createHash('sha256')
  for (const file of (await readdir(dir).catch(() => [])).sort()) {
    const stats = await stat(join(dir, file)).catch(() => undefined)
    hash.update(`${file} ${stats?.ino} ${stats?.size} ${stats?.mtimeMs}\n`)
  }
  return { name, version, dir, signature: hash.digest('hex') }
}
