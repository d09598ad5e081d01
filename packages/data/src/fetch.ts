import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { NiceflowError } from '@niceflow/core'
import { catalogueEntry, type Download, parseName } from './catalogue.ts'
import { type DatasetDescription, describeDataset, isLacking } from './describe.ts'
import { DatasetFileError, dataFolder, downloadOf, nameOf } from './places.ts'

/** How much of a file is here; `total` is null where neither the catalogue nor the server says. */
export type FetchProgress = { readonly file: string; readonly loaded: number; readonly total: number | null }

export type FetchOptions = {
  /** The folder that files come to, instead of the cache's. */
  readonly dir?: string | undefined
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** How often a connection that breaks is taken up again. @default 5 */
  readonly retries?: number
  /** Between them, milliseconds. @default 1000 */
  readonly pauseMs?: number
}

/** A file that was fetched. */
export type Fetched = {
  readonly path: string
  readonly url: string
  readonly bytes: number
  readonly sha256: string
  readonly known: boolean
}

/**
 * Fetches the files of a dataset that are not here, or not intact.
 * @returns what was fetched, and how its files stand
 * @throws InvalidValueError (usage) for an unknown name
 * @throws DatasetFileError saying what to place where, for a dataset without downloads, a damaged copy that hides what was fetched, and as `download`
 * does
 */
export async function fetchDataset(
  name: string,
  options: FetchOptions = {},
): Promise<{ readonly fetched: readonly Fetched[]; readonly dataset: DatasetDescription }> {
  const { base } = parseName(name)
  const { downloads, sharesWith } = catalogueEntry(name)
  const before = await describeDataset(base, options)
  const lacking = before.files.filter(isLacking)
  const wanted = new Set(lacking.map((file) => downloadOf(file, downloads)))
  const fetched: Fetched[] = []
  for (const one of wanted) {
    if (!one) {
      const { path, state } = lacking[0]!
      throw new DatasetFileError(`${path}: ${state}, and it is not to be fetched by itself`, { remedy: before.remedy })
    }
    const path = join(options.dir ?? dataFolder(sharesWith ?? base), nameOf(one))
    fetched.push({ path, url: one.url, known: one.sha256 !== null, ...(await download(one, path, options)) })
  }
  const dataset = await describeDataset(base, options)
  const still = dataset.files.find(isLacking)
  if (!still) return { fetched, dataset }
  // A damaged copy under another name is found first.
  throw new DatasetFileError(`${still.path}: ${still.state}, though what it is of was fetched`, {
    remedy: 'remove it, or name another folder',
  })
}

/** A connection that broke on the way: worth another try, from where it broke. */
class BrokenOffError extends DatasetFileError {}

/**
 * Fetches a file over HTTP. What arrives goes to `PATH.part`, and a file of that name is gone on with (a range request); PATH is taken when all
 * of it is there and its SHA-256 is right. An earlier file stays as it is until then.
 * @throws DatasetFileError for a server that cannot be reached or refuses, a connection that breaks off again and again (what came is kept), and
 * a file that is not the one known (what came is removed)
 */
export async function download(
  file: Download,
  path: string,
  { onProgress, signal, retries = 5, pauseMs = 1000 }: FetchOptions = {},
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const part = `${path}.part`
  const remedy = `where the network does not allow it, get ${file.url} by other means and place it as ${path}`
  const transfer = { ...file, part, remedy, onProgress, signal }
  await onDisk(path, () => mkdir(dirname(path), { recursive: true }))
  for (let tries = 0; ; tries++) {
    try {
      await goOn(transfer)
      break
    } catch (error) {
      if (!(error instanceof BrokenOffError) || tries >= retries) throw error
      await pause(pauseMs, undefined, { ...(signal && { signal }) })
    }
  }
  const sha256 = await hashOf(part)
  if (file.sha256 !== null && sha256 !== file.sha256) {
    await rm(part)
    throw new DatasetFileError(`${file.url}: SHA-256: expected ${file.sha256}, got ${sha256}`, {
      remedy: `it is not the file that the catalogue knows: place an intact copy as ${path}`,
    })
  }
  const { size: bytes } = await stat(part)
  await onDisk(path, () => rename(part, path))
  return { bytes, sha256 }
}

type Transfer = Download & { readonly part: string; readonly remedy: string } & Pick<FetchOptions, 'onProgress' | 'signal'>

/** Asks for what `part` lacks, and adds it. */
async function goOn({ url, bytes, part, remedy, onProgress, signal }: Transfer): Promise<void> {
  const have = await bytesIn(part)
  if (have > 0 && have === bytes) return
  const response = await fetch(url, {
    // Bytes as they are published, of which ranges can be had.
    headers: { 'accept-encoding': 'identity', ...(have > 0 && { range: `bytes=${have}-` }) },
    ...(signal && { signal }),
  }).catch((error: Error) => {
    if (signal?.aborted) throw error
    const cause = (error.cause ?? error) as NodeJS.ErrnoException
    throw new DatasetFileError(`${url}: cannot be reached: ${cause.code ?? cause.message}`, { remedy, cause })
  })
  if (response.status === 416) {
    // The part is longer than the file: it is of another.
    await rm(part)
    throw new BrokenOffError(`${url}: nothing from byte ${have} on`, { remedy })
  }
  if (!response.ok || !response.body) {
    await response.body?.cancel()
    throw new DatasetFileError(`${url}: HTTP ${response.status} ${response.statusText}`.trim(), { remedy })
  }
  // A server without ranges sends all of it again.
  const goesOn = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${have}-`) === true
  const start = goesOn ? have : 0
  const length = response.headers.get('content-length')
  const total = length === null ? bytes : start + Number(length)
  if (bytes !== null && total !== bytes) {
    await response.body.cancel()
    throw new DatasetFileError(`${url}: expected ${bytes} bytes, got ${total}`, { remedy })
  }
  await receive(response.body, { url, part, start, total, remedy, onProgress })
}

async function receive(
  body: AsyncIterable<Uint8Array>,
  {
    url,
    part,
    start,
    total,
    remedy,
    onProgress,
  }: Pick<Transfer, 'url' | 'part' | 'remedy' | 'onProgress'> & { start: number; total: number | null },
): Promise<void> {
  const file = part.slice(0, -'.part'.length)
  let loaded = start
  const out = await onDisk(part, () => open(part, start > 0 ? 'a' : 'w'))
  try {
    onProgress?.({ file, loaded, total })
    for await (const chunk of body) {
      await onDisk(part, () => out.writeFile(chunk))
      loaded += chunk.length
      onProgress?.({ file, loaded, total })
    }
    await onDisk(part, () => out.sync())
  } catch (cause) {
    if (NiceflowError.is(cause) || (cause as Error).name === 'AbortError') throw cause
    throw brokenOff(cause)
  } finally {
    await out.close()
  }
  if (total !== null && loaded < total) throw brokenOff()

  function brokenOff(cause?: unknown): BrokenOffError {
    const after = `${loaded}${total === null ? '' : ` of ${total}`} bytes`
    return new BrokenOffError(`${url}: broken off after ${after}`, {
      remedy: `run the command again: it goes on from there; ${remedy}`,
      cause,
    })
  }
}

async function bytesIn(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  )
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}

/** What a disk refuses, in our words. */
async function onDisk<T>(path: string, write: () => Promise<T>): Promise<T> {
  return write().catch((cause: NodeJS.ErrnoException) => {
    const remedy = 'free some space, or name another folder: --data-dir, or the variable NICEFLOW_DATA'
    throw new DatasetFileError(`${path}: cannot be written: ${cause.code ?? cause.message}`, { remedy, cause })
  })
}
