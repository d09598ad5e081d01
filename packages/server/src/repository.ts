import type { GraphName } from './calls.ts'
import { RequestError, ServerError } from './errors.ts'
import { type Found, scan } from './scan.ts'
import { ServedBundle, type ServedEvents, type ServingOptions } from './served.ts'

export type RepositoryOptions = ServingOptions & {
  /** The folder of models. */
  readonly models: string
  /** How many of a bundle's versions are served, the newest. @default 1 */
  readonly versions?: number
  /** Seconds between two looks at the folder; never again for 0. @default 2 */
  readonly pollSeconds?: number
}

/** What is told of the bundles, for logs and metrics. */
export type RepositoryEvents = {
  readonly of?: (bundle: { readonly name: string; readonly version: string }) => ServedEvents
  readonly onLoad?: (bundle: ServedBundle) => void
  readonly onUnload?: (bundle: ServedBundle) => void
  readonly onRefuse?: (found: Found, error: Error) => void
}

export type State = 'READY' | 'LOADING' | 'UNAVAILABLE'

/** A version as the index of the protocol tells of it. */
export type IndexEntry = { readonly name: string; readonly version: string; readonly state: State; readonly reason: string }

type Version = { bundle: ServedBundle | undefined; signature: string; state: State; reason: string; missing: boolean }

/** The bundles of a folder, as they are loaded, changed and removed while the server runs. */
export class Repository {
  readonly #options: RepositoryOptions
  readonly #events: RepositoryEvents
  readonly #bundles = new Map<string, Map<string, Version>>()
  /** Names that were unloaded by request, and stay so until they are loaded by one. */
  readonly #unloaded = new Set<string>()
  /** Bundles that end what is under way, no more served. */
  readonly #dropping = new Set<Promise<void>>()
  #last: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: RepositoryOptions, events: RepositoryEvents = {}) {
    this.#options = options
    this.#events = events
  }

  /** Loads what the folder holds, and looks at it from then on. @throws ServerError where none of it can be served */
  async open(): Promise<void> {
    await this.refresh()
    if (this.served.length === 0) {
      const reasons = this.index().map(({ reason }) => reason)
      await this.close()
      throw new ServerError(reasons[0] ?? `${this.#options.models}: no bundle in it`, {
        remedy: 'name a bundle that `niceflow export` wrote, or a folder of bundles',
      })
    }
    this.#poll()
  }

  /** All versions that are served. */
  get served(): ServedBundle[] {
    return [...this.#bundles.values()].flatMap((versions) => [...versions.values()].flatMap(({ bundle }) => bundle ?? []))
  }

  /** A bundle's versions that are served, the newest last. */
  versionsOf(name: string): ServedBundle[] {
    const versions = [...(this.#bundles.get(name)?.values() ?? [])].flatMap(({ bundle }) => bundle ?? [])
    return versions.sort((a, b) => Number(a.version) - Number(b.version))
  }

  /**
   * A bundle that is served: the newest version where none is given; the only one where no name is.
   * @throws RequestError 404, or 400 where several are served and none is named
   */
  get(name: string | undefined, version?: string): ServedBundle {
    const versions = this.versionsOf(name ?? this.#onlyName())
    const bundle = version === undefined ? versions.at(-1) : versions.find((one) => one.version === version)
    if (bundle) return bundle
    if (versions.length === 0)
      throw new RequestError(`model ${name} is not served`, { status: 404, remedy: 'POST /v2/repository/index lists all' })
    const expected = versions.map((one) => one.version).join(', ')
    throw new RequestError(`version of model ${name}: expected ${expected}, got ${version}`, { status: 404 })
  }

  #onlyName(): string {
    const names = [...this.#bundles.keys()].filter((one) => this.versionsOf(one).length > 0)
    if (names.length === 1) return names[0]!
    throw new RequestError(`model: expected one of ${names.join(', ') || 'none, for none is served'}, got none`, { status: 400 })
  }

  /** Every version that was found, served or not. */
  index(): IndexEntry[] {
    return [...this.#bundles].flatMap(([name, versions]) =>
      [...versions].map(([version, { state, reason }]) => ({ name, version, state, reason })),
    )
  }

  /** Loads a bundle, again where it has changed. @throws RequestError 404 for a name that is not in the folder, 400 for one that cannot be served */
  async load(name: string): Promise<void> {
    this.#unloaded.delete(name)
    await this.refresh(name)
    const versions = this.#bundles.get(name)
    if (!versions) throw new RequestError(`model ${name} is not in the folder of models`, { status: 404 })
    if (this.versionsOf(name).length > 0) return
    throw new RequestError([...versions.values()].at(-1)!.reason, { status: 400 })
  }

  /** Serves a bundle no more, whatever its folder holds. @throws RequestError 404 for a name that is not served */
  async unload(name: string): Promise<void> {
    if (this.versionsOf(name).length === 0) throw new RequestError(`model ${name} is not served`, { status: 404 })
    this.#unloaded.add(name)
    await this.refresh()
  }

  /** Looks at the folder now. @param again a name that is tried again though it has not changed since it was refused */
  refresh(again?: string): Promise<void> {
    const turn = this.#last.then(() => this.#refresh(again))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#last
    await Promise.all([...this.#dropping, ...this.served.map((bundle) => bundle.close())])
  }

  #poll(): void {
    const { pollSeconds = 2 } = this.#options
    if (pollSeconds === 0 || this.#closed) return
    this.#timer = setTimeout(() => {
      // A folder that cannot be read for a moment is looked at again; what is served is served on.
      void this.refresh()
        .catch(() => undefined)
        .then(() => this.#poll())
    }, 1000 * pollSeconds)
    this.#timer.unref()
  }

  async #refresh(again: string | undefined): Promise<void> {
    const found = await scan(this.#options.models)
    const wanted = this.#wanted(found)
    for (const one of wanted) await this.#load(one, one.name === again)
    this.#retire(wanted)
  }

  /** The newest versions of each bundle. */
  #wanted(found: readonly Found[]): Found[] {
    const names = [...new Set(found.map(({ name }) => name))].filter((name) => !this.#unloaded.has(name))
    return names.flatMap((name) => found.filter((one) => one.name === name).slice(-(this.#options.versions ?? 1)))
  }

  /** Loads a version that is new or has changed; while it is being loaded, and where it is refused, the one before it is served on. */
  async #load(found: Found, again: boolean): Promise<void> {
    const { name, version, signature } = found
    const versions = this.#bundles.get(name) ?? new Map<string, Version>()
    this.#bundles.set(name, versions)
    const known = versions.get(version)
    if (this.#closed || (known?.signature === signature && !(again && !known.bundle))) return
    const entry: Version = known ?? { bundle: undefined, signature, state: 'LOADING', reason: '', missing: false }
    versions.set(version, entry)
    entry.signature = signature
    try {
      const bundle = await ServedBundle.open(found, this.#options, this.#events.of?.(found))
      const before = entry.bundle
      entry.bundle = bundle
      entry.state = 'READY'
      entry.reason = ''
      this.#events.onLoad?.(bundle)
      if (before) this.#drop(before)
    } catch (error) {
      const { message } = error as Error
      entry.state = entry.bundle ? 'READY' : 'UNAVAILABLE'
      entry.reason = entry.bundle ? `serving what it was before it changed: ${message}` : message
      this.#events.onRefuse?.(found, error as Error)
    }
  }

  /** Drops the versions that are wanted no more, once what takes their place is served; a folder that is gone is missed twice before it counts. */
  #retire(wanted: readonly Found[]): void {
    for (const [name, versions] of this.#bundles) {
      const own = wanted.filter((found) => found.name === name)
      const replaced = own.some(({ version }) => versions.get(version)?.bundle)
      for (const [version, entry] of versions) {
        const unwanted = !own.some((found) => found.version === version)
        if (this.#unloaded.has(name)) this.#release(entry)
        else if (unwanted && (replaced || (own.length === 0 && entry.missing))) {
          versions.delete(version)
          this.#release(entry)
        }
        entry.missing = unwanted
      }
      if (versions.size === 0) this.#bundles.delete(name)
    }
  }

  /** What is left of a version that was unloaded: its place in the index. */
  #release(entry: Version): void {
    if (entry.bundle) this.#drop(entry.bundle)
    Object.assign(entry, { bundle: undefined, signature: '', state: 'UNAVAILABLE', reason: 'unloaded' } satisfies Partial<Version>)
  }

  #drop(bundle: ServedBundle): void {
    const dropped = bundle.close().then(() => {
      this.#dropping.delete(dropped)
      this.#events.onUnload?.(bundle)
    })
    this.#dropping.add(dropped)
  }
}

/** The protocol's models of a bundle: its graphs. */
export function modelName(bundle: string, graph: GraphName): string {
  return `${bundle}_${graph}`
}

/** The bundle and graph that a model's name tells; undefined for a name that tells none. */
export function parseModelName(model: string): { readonly bundle: string; readonly graph: GraphName } | undefined {
  const [, bundle, graph] = /^(.+)_(encoder|decoder)$/.exec(model) ?? []
  return bundle === undefined ? undefined : { bundle, graph: graph as GraphName }
}
