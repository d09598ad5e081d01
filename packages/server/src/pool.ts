import type { AnswerOf, Call, WorkerFacts, WorkerSpec } from './calls.ts'
import { ServerError } from './errors.ts'
import { startWorker, type Worker } from './worker.ts'

/** What is told of workers that come and go. */
export type PoolEvents = {
  /** A worker ended unasked; another is being started. */
  readonly onDeath?: (how: string) => void
  /** One that should take its place could not be started; it is tried again. */
  readonly onFailure?: (error: Error) => void
}

export type PoolOptions = PoolEvents & {
  /** How many workers, by what the first tells of itself. */
  readonly size: (facts: WorkerFacts) => number
  /** Calls that a worker is given at once, so that the next is there when one ends. @default 2 */
  readonly depth?: number
  /** A worker that takes longer over a call hangs, and is ended. @default 60000 */
  readonly longestCallMs?: number
  /** Makes a worker; for tests. @default startWorker */
  readonly start?: (spec: WorkerSpec) => Promise<Worker>
}

type Slot = { worker: Worker | undefined; pending: number; failures: number; timer: NodeJS.Timeout | undefined }

/** A worker that cannot be started is tried again after so long, twice as long each time, up to a limit. */
const firstPauseMs = 100
const longestPauseMs = 10_000

/** Workers of one bundle: one that dies is replaced, and takes no call but its own with it. */
export class WorkerPool {
  readonly facts: WorkerFacts
  /** Hears that a worker can be given a call. */
  onFree: () => void = () => {}
  readonly #spec: WorkerSpec
  readonly #options: PoolOptions
  readonly #start: (spec: WorkerSpec) => Promise<Worker>
  readonly #identity: string
  readonly #slots: Slot[]
  #closing = false

  /**
   * Starts the workers, one after another: the first tells whether the bundle can be served at all.
   * @throws what starting one throws
   */
  static async open(spec: WorkerSpec, options: PoolOptions): Promise<WorkerPool> {
    const { size, start = startWorker } = options
    const workers: Worker[] = []
    try {
      workers.push(await start(spec))
      while (workers.length < size(workers[0]!.facts)) workers.push(await start(spec))
      return new WorkerPool(spec, workers, options)
    } catch (error) {
      await Promise.all(workers.map((worker) => worker.stop()))
      throw error
    }
  }

  private constructor(spec: WorkerSpec, workers: readonly Worker[], options: PoolOptions) {
    this.#spec = spec
    this.#options = options
    this.#start = options.start ?? startWorker
    this.facts = workers[0]!.facts
    this.#identity = identityOf(this.facts)
    this.#slots = workers.map((worker) => ({ worker, pending: 0, failures: 0, timer: undefined }))
    for (const slot of this.#slots) this.#watch(slot, slot.worker!)
  }

  /** Workers that can be given calls, now or when they have ended others. */
  get alive(): number {
    return this.#slots.filter(({ worker }) => worker).length
  }

  /** How many calls are with workers. */
  get pending(): number {
    return this.#slots.reduce((sum, { pending }) => sum + pending, 0)
  }

  /** The process ids of the workers, for whoever looks after processes. */
  get pids(): number[] {
    return this.#slots.flatMap(({ worker }) => worker?.pid ?? [])
  }

  /** How many calls the worker has that would get the next; undefined where none may. */
  get load(): number | undefined {
    return this.#next()?.pending
  }

  /**
   * Gives a call to the worker with the fewest; ask `load` first.
   * @throws what the call throws; RequestError where its worker ends
   */
  async call<C extends Call>(call: C): Promise<AnswerOf<C>> {
    const slot = this.#next()
    if (!slot) throw new ServerError('no worker is free')
    slot.pending++
    const { longestCallMs = 60_000 } = this.#options
    const worker = slot.worker!
    const timer = setTimeout(() => worker.kill(), longestCallMs)
    try {
      return await worker.call(call)
    } finally {
      clearTimeout(timer)
      slot.pending--
      this.onFree()
    }
  }

  /** Ends all workers now; they are replaced. */
  kill(): void {
    for (const { worker } of this.#slots) worker?.kill()
  }

  /** Lets the workers end what they were asked, and go. */
  async close(): Promise<void> {
    this.#closing = true
    for (const { timer } of this.#slots) clearTimeout(timer)
    await Promise.all(this.#slots.map(({ worker }) => worker?.stop()))
  }

  #next(): Slot | undefined {
    const { depth = 2 } = this.#options
    let best: Slot | undefined
    for (const slot of this.#slots) {
      if (slot.worker && slot.pending < depth && (!best || slot.pending < best.pending)) best = slot
    }
    return best
  }

  #watch(slot: Slot, worker: Worker): void {
    void worker.ended.then((how) => {
      slot.worker = undefined
      if (this.#closing) return
      this.#options.onDeath?.(how)
      void this.#replace(slot)
    })
  }

  async #replace(slot: Slot): Promise<void> {
    try {
      const worker = await this.#start(this.#spec)
      if (this.#closing) return await worker.stop()
      if (identityOf(worker.facts) !== this.#identity) {
        await worker.stop()
        throw new ServerError(`${this.#spec.dir}: the bundle has changed since it was loaded`)
      }
      slot.worker = worker
      slot.failures = 0
      this.#watch(slot, worker)
      this.onFree()
    } catch (error) {
      this.#options.onFailure?.(error as Error)
      const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** slot.failures++)
      if (!this.#closing) slot.timer = setTimeout(() => void this.#replace(slot), pause)
    }
  }
}

/** A worker takes another's place when it has the same files, to the bit, and runs them on the same device. */
function identityOf({ manifest, dtype, device }: WorkerFacts): string {
  return JSON.stringify([manifest, dtype, device])
}
