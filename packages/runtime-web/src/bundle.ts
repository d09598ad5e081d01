import { InvalidValueError, type Manifest, parseManifest, type StorageType } from '@niceflow/core'
import {
  type BundleFile,
  bundleErrors,
  type FileReport,
  InvalidBundleError,
  type ProgressCallback,
  reportFile,
  type SelectedVariant,
  selectVariant,
} from '@niceflow/runtime'
import { oneLine } from '@niceflow/runtime/onnxruntime'
import type { OnWarning } from './builds.ts'
import { openStore, type Store } from './store.ts'

export type BundleOptions = {
  /** The storage type of the weights; the manifest's default when left out. */
  readonly dtype?: StorageType
  /** Whether the files' SHA-256 are compared with the manifest's; their sizes always are. @default true */
  readonly verify?: boolean
  /** Whether files are kept in the browser's Cache API, or the name of the cache that keeps them. @default true */
  readonly cache?: boolean | string
  /** Ends the load, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Hears of every file as it comes. */
  readonly progress_callback?: ProgressCallback
  /** Hears of fallbacks that were taken. */
  readonly onWarning?: OnWarning
  /** What requests are made with. @default the global one */
  readonly fetch?: typeof globalThis.fetch
}

/** A bundle in memory, its files checked. */
export type Bundle = {
  readonly manifest: Manifest
  readonly dtype: SelectedVariant['dtype']
  readonly variant: SelectedVariant['variant']
  /** By file name. */
  readonly contents: ReadonlyMap<string, Uint8Array<ArrayBuffer>>
  /** Fulfilled when what was fetched is in the cache, or when what cannot be has been told. */
  readonly kept: Promise<void>
}

/** How a load goes about. */
type Place = {
  readonly folder: URL
  readonly store: Store
  readonly verify: boolean
  readonly fetch: typeof globalThis.fetch
  readonly signal: AbortSignal | undefined
}

/**
 * Fetches a bundle's manifest and the files of one variant, each file once. A file that is not the manifest's may mean that the bundle was
 * replaced meanwhile: then its manifest is fetched again, and if it changed, what it lists.
 * @param url the address of the bundle's folder
 * @throws InvalidManifestError, InvalidBundleError naming the file at fault, InvalidValueError for a dtype that the bundle lacks
 */
export async function fetchBundle(
  url: string | URL,
  { dtype, cache = true, signal, progress_callback, onWarning = () => undefined, fetch = globalThis.fetch, ...options }: BundleOptions = {},
): Promise<Bundle> {
  signal?.throwIfAborted()
  const verify = (options.verify ?? true) && canVerify(onWarning)
  const place: Place = { folder: folderOf(url), store: await openStore(cache, onWarning), verify, fetch, signal }
  const sound = new Map<string, Uint8Array<ArrayBuffer>>()
  const bundleOf = async (json: string): Promise<Bundle> => {
    const keeping: Promise<void>[] = []
    const store: Store = { ...place.store, put: async (...file) => void keeping.push(place.store.put(...file)) }
    const bundle = await fetchFiles(json, { ...place, store }, sound, dtype, progress_callback)
    // Last, so that a manifest which is kept has its files.
    const kept = Promise.all(keeping).then(() => place.store.put(manifestOf(place), new TextEncoder().encode(json)))
    return { ...bundle, kept }
  }
  const json = await manifestText(place, onWarning)
  try {
    return await bundleOf(json)
  } catch (error) {
    if (!(error instanceof InvalidBundleError) || error instanceof UnreachableError) throw error
    const now = await manifestText(place, onWarning)
    if (now === json) throw error
    return await bundleOf(now)
  }
}

/** @param sound files that were found right before, by digest */
async function fetchFiles(
  json: string,
  place: Place,
  sound: Map<string, Uint8Array<ArrayBuffer>>,
  wanted: StorageType | undefined,
  progress_callback: ProgressCallback | undefined,
): Promise<Omit<Bundle, 'kept'>> {
  const source = manifestOf(place)
  const manifest = parseManifest(json, source)
  const { dtype, variant, files } = selectVariant(manifest, wanted, source)
  // One that fails ends the others.
  const failure = new AbortController()
  const signal = AbortSignal.any([failure.signal, ...(place.signal ? [place.signal] : [])])
  const read = async (file: BundleFile): Promise<readonly [string, Uint8Array<ArrayBuffer>]> => {
    const report = reportFile(manifest.name, file, progress_callback)
    report.initiate()
    const bytes = sound.get(file.sha256) ?? (await readFile(file, { ...place, signal }, report))
    sound.set(file.sha256, bytes)
    report.done()
    return [file.name, bytes]
  }
  try {
    return { manifest, dtype, variant, contents: new Map(await Promise.all(files.map(read))) }
  } catch (error) {
    failure.abort()
    throw error
  }
}

/** A file as the manifest describes it: from the cache, or from the server and then into the cache. */
async function readFile(file: BundleFile, place: Place, report: FileReport): Promise<Uint8Array<ArrayBuffer>> {
  const { href } = new URL(file.name, place.folder)
  const kept = await place.store.get(href)
  if (kept?.length === file.bytes && (!place.verify || (await sha256(kept)) === file.sha256)) {
    report.progress(kept.length)
    return kept
  }
  const bytes = await download(href, file, place, report)
  const digest = place.verify ? await sha256(bytes) : file.sha256
  if (digest !== file.sha256) throw bundleErrors.digest(href, file, digest)
  place.signal?.throwIfAborted()
  await place.store.put(href, bytes)
  return bytes
}

async function download(href: string, file: BundleFile, place: Place, report: FileReport): Promise<Uint8Array<ArrayBuffer>> {
  const response = await request(href, place)
  if (response.status === 404) throw bundleErrors.missing(href)
  const bytes = new Uint8Array(file.bytes)
  let at = 0
  const reader = (response.body ?? new Blob().stream()).getReader()
  for (;;) {
    const { value } = await reader.read().catch((cause: unknown) => {
      throw unreachable(href, place, cause)
    })
    if (!value) break
    if (at + value.length > bytes.length) {
      reader.cancel().catch(() => undefined)
      throw bundleErrors.size(href, file, 'more')
    }
    bytes.set(value, at)
    at += value.length
    report.progress(value.length)
  }
  if (at < bytes.length) throw bundleErrors.size(href, file, at)
  return bytes
}

/** The manifest as the server has it now, or, where there is no server to be reached, as it was at the last visit. */
async function manifestText(place: Place, onWarning: OnWarning): Promise<string> {
  const href = manifestOf(place)
  try {
    const response = await request(href, place)
    if (response.status === 404) throw bundleErrors.noManifest(place.folder.href)
    return await response.text().catch((cause: unknown) => {
      throw unreachable(href, place, cause)
    })
  } catch (error) {
    const kept = error instanceof UnreachableError ? await place.store.get(href) : undefined
    if (!kept) throw error
    onWarning(`${oneLine(error)}: taking the bundle that is cached`)
    return new TextDecoder().decode(kept)
  }
}

function manifestOf({ folder }: Place): string {
  return new URL('flow.json', folder).href
}

/** A server that does not answer: the only fault for which what is cached stands in. */
class UnreachableError extends InvalidBundleError {}

function unreachable(href: string, { signal }: Place, cause: unknown): unknown {
  if (signal?.aborted) return signal.reason
  return new UnreachableError(`${href}: cannot be read: ${oneLine(cause)}`, { cause, remedy: 'look at the connection, and load it again' })
}

/** An answer that is sound, or says that there is no such file. The HTTP cache is asked to make sure, since a bundle may be replaced in place. */
async function request(href: string, place: Place): Promise<Response> {
  const { fetch, signal } = place
  const response = await fetch(href, { cache: 'no-cache', ...(signal && { signal }) }).catch((cause: unknown) => {
    throw unreachable(href, place, cause)
  })
  if (response.ok || response.status === 404) return response
  throw bundleErrors.unreadable(href, `HTTP ${response.status}`, { remedy: 'see what ails the server, and load it again' })
}

function folderOf(url: string | URL): URL {
  try {
    const folder = new URL(url, globalThis.location?.href)
    if (!folder.pathname.endsWith('/')) folder.pathname += '/'
    return folder
  } catch (cause) {
    throw new InvalidValueError({ what: 'url of the bundle', expected: 'the address of a folder', got: String(url), cause })
  }
}

function canVerify(onWarning: OnWarning): boolean {
  const can = globalThis.crypto?.subtle !== undefined
  if (!can) onWarning('files are checked by their sizes alone: the page has no SubtleCrypto, which takes HTTPS')
  return can
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
