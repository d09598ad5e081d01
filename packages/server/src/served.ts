import { availableParallelism } from 'node:os'
import { InvalidValueError, type Judge, judgeBy, NiceflowError } from '@niceflow/core'
import { NonFiniteLikelihoodError } from '@niceflow/runtime'
import { Batcher, type BatchingOptions, type Done, type Work } from './batcher.ts'
import {
  type BatchAnswer,
  type GraphName,
  graphPorts,
  type InpaintAnswer,
  type InpaintCall,
  type WorkerFacts,
  type WorkerSpec,
} from './calls.ts'
import { RequestError } from './errors.ts'
import { type PoolEvents, WorkerPool } from './pool.ts'
import { add, addBatch, noStatistics, type Statistics } from './statistics.ts'

export type ServingOptions = Omit<WorkerSpec, 'dir'> & {
  /** Worker processes of each bundle. @default on a CPU as many as cores, up to 4, which share the cores; else 1 */
  readonly workers?: number
  readonly batching?: BatchingOptions
}

/** The protocol's models of every bundle. */
export const graphNames: readonly GraphName[] = Object.keys(graphPorts) as GraphName[]

/** Where a request may be ended from: its client that goes away, or its deadline. */
export type Bounds = { readonly signal?: AbortSignal | undefined }

export type ServedEvents = PoolEvents & { readonly onBatch?: (graph: GraphName, rows: number, answer: BatchAnswer) => void }

/** An inference that ended so long ago tells that a model is ready; a probe may take so long. */
const freshMs = 1000
const probeMs = 5000

/** Each holds the weights. */
const mostWorkers = 4

/** One version of a bundle, served: its workers, and what waits for them. */
export class ServedBundle {
  readonly name: string
  readonly version: string
  readonly dir: string
  readonly facts: WorkerFacts
  readonly statistics: Statistics = noStatistics()
  readonly batcher: Batcher
  readonly #pool: WorkerPool
  readonly #options: ServingOptions
  readonly #events: ServedEvents
  #inpainters: Promise<WorkerPool> | undefined
  #probing: Promise<void> | undefined
  #ranAt = Number.NEGATIVE_INFINITY
  /** Requests that are under way. */
  #active = 0
  #onIdle = (): void => {}

  /** @throws RequestError for a bundle that cannot be opened, is not as it was exported, or does not run */
  static async open(
    at: { readonly name: string; readonly version: string; readonly dir: string },
    options: ServingOptions,
    events: ServedEvents = {},
  ): Promise<ServedBundle> {
    const { workers, batching: _, ...given } = options
    const cores = availableParallelism()
    const onCpu = workers ?? Math.min(mostWorkers, cores)
    // Threads of one operator wait for one another: on a machine that has else to do, workers of a thread each get far more done.
    const spec = { threads: Math.max(1, Math.floor(cores / onCpu)), ...given, dir: at.dir }
    const size = ({ device }: WorkerFacts): number => workers ?? (device === 'cpu' ? onCpu : 1)
    return new ServedBundle(at, await WorkerPool.open(spec, { size, ...events }), options, events)
  }

  private constructor(
    { name, version, dir }: { readonly name: string; readonly version: string; readonly dir: string },
    pool: WorkerPool,
    options: ServingOptions,
    events: ServedEvents,
  ) {
    this.name = name
    this.version = version
    this.dir = dir
    this.facts = pool.facts
    this.#pool = pool
    this.#options = options
    this.#events = events
    this.batcher = new Batcher(pool, {
      ...options.batching,
      onBatch: (graph, rows, answer) => {
        addBatch(this.statistics[graph], rows, answer)
        events.onBatch?.(graph, rows, answer)
      },
    })
    pool.onFree = () => this.batcher.pump()
  }

  /** Worker processes that live. */
  get alive(): number {
    return this.#pool.alive
  }

  get pids(): readonly number[] {
    return this.#pool.pids
  }

  /** The judge of its calibration; null for a bundle without. @throws InvalidValueError for a rate that the calibration cannot tell */
  judge(rate?: number, sizes = true): Judge | null {
    const { calibration, model, name } = this.facts.manifest
    if (calibration) return judgeBy(sizes ? calibration : { ...calibration, bySize: undefined }, model, rate)
    if (rate === undefined) return null
    throw new NiceflowError(`bundle ${name} has no calibration: no percentiles, p-values and verdicts`, {
      remedy: 'score without false_positive_rate',
    })
  }

  /**
   * Runs work in batches with that of others.
   * @throws RequestError for a full queue, a deadline or a worker that died; NonFiniteLikelihoodError, InvalidValueError for numbers that are none
   */
  async run(work: Work, { signal }: Bounds = {}): Promise<Done> {
    const statistics = this.statistics[work.graph]
    const start = performance.now()
    this.#active++
    try {
      signal?.throwIfAborted()
      const ticket = this.batcher.submit(work)
      const abort = (): void => ticket.cancel(signal!.reason as Error)
      signal?.addEventListener('abort', abort)
      const done = await ticket.done.finally(() => signal?.removeEventListener('abort', abort))
      this.#assertFinite(work, done)
      statistics.lastInference = Date.now()
      this.#ranAt = performance.now()
      statistics.inferences += work.count
      add(statistics.success, performance.now() - start)
      add(statistics.queue, done.queueMs)
      add(statistics.input, done.inputMs)
      add(statistics.compute, done.computeMs)
      return done
    } catch (error) {
      add(statistics.fail, performance.now() - start)
      throw error
    } finally {
      this.#end()
    }
  }

  /**
   * Fills hidden pixels, in a worker for that alone, which is started when it is first asked for: an ascent takes seconds, and would stall scores.
   * One that is given up is ended with its worker.
   * @throws RequestError, 429 while it is busy
   */
  async inpaint(call: InpaintCall, { signal }: Bounds = {}): Promise<InpaintAnswer> {
    this.#active++
    try {
      const { workers: _, batching: __, ...spec } = this.#options
      this.#inpainters ??= WorkerPool.open({ ...spec, dir: this.dir }, { size: () => 1, depth: 1, ...this.#events })
      const pool = await this.#inpainters.catch((error: unknown) => {
        this.#inpainters = undefined
        throw error
      })
      if (pool.load === undefined) {
        throw new RequestError('another request is being inpainted', { status: 429, retryAfter: 1, remedy: 'try again' })
      }
      signal?.throwIfAborted()
      const abort = (): void => pool.kill()
      signal?.addEventListener('abort', abort)
      try {
        return await pool.call(call)
      } catch (error) {
        throw signal?.aborted ? signal.reason : error
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    } finally {
      this.#end()
    }
  }

  /** Whether the model runs: it has of late, or does so now. */
  async ready(): Promise<boolean> {
    if (this.alive === 0) return false
    if (performance.now() - this.#ranAt < freshMs) return true
    this.#probing ??= this.#probe({ signal: AbortSignal.timeout(probeMs) }).finally(() => {
      this.#probing = undefined
    })
    return this.#probing.then(
      () => true,
      () => false,
    )
  }

  /** Draws an example and scores it, in the queue of all others. */
  async #probe(bounds: Bounds = {}): Promise<void> {
    const draw = { kind: 'prior', count: 1, seed: 0, firstIndex: 0, temperature: 1 } as const
    const drawn = await this.run({ graph: 'decoder', outputs: ['x'], count: 1, draws: 1, part: () => draw }, bounds)
    const x = { kind: 'examples', data: drawn.outputs.x!, seed: 0, firstIndex: 0, draws: 1 } as const
    await this.run({ graph: 'encoder', outputs: ['log_likelihood'], count: 1, draws: 1, part: () => x }, bounds)
  }

  /** Lets what is under way end, then the workers. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
      if (this.#active === 0) resolve()
    })
    await Promise.all([this.#pool.close(), this.#inpainters?.then((pool) => pool.close()).catch(() => undefined)])
  }

  #end(): void {
    this.#active--
    if (this.#active === 0) this.#onIdle()
  }

  #assertFinite({ outputs, draws }: Work, done: Done): void {
    // A log-likelihood is the last of the ports, and tells most.
    for (const name of outputs.toReversed()) {
      const data = done.outputs[name]!
      const at = data.findIndex((value) => !Number.isFinite(value))
      if (at === -1) continue
      const { dim, dataRange: range } = this.facts.manifest.model
      if (name === 'log_likelihood') throw new NonFiniteLikelihoodError({ row: Math.floor(at / draws), value: data[at]!, range })
      const what = `row ${Math.floor(at / dim)} of ${name}`
      throw new InvalidValueError({
        what,
        expected: 'finite numbers',
        got: data[at],
        remedy: 'give finite numbers, nearer to the usual ones',
      })
    }
  }
}
