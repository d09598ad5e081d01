import { type BatchAnswer, type BatchCall, type GraphName, graphPorts, type OutputName, type Part } from './calls.ts'
import { RequestError } from './errors.ts'

export type BatchingOptions = {
  /** The most rows of a batch; longer requests are cut. @default 256 */
  readonly maxBatch?: number
  /** How long a batch that is not full waits for more rows, in milliseconds. @default 1 */
  readonly delayMs?: number
  /** The most rows that wait; a request that would be more is refused. @default 4096 */
  readonly maxQueue?: number
  /** Rows that are worth a call to a worker that is still busy: fewer wait for company, for large batches cost less a row. @default 128 */
  readonly prefetch?: number
}

/** What a request wants of a graph. */
export type Work = {
  readonly graph: GraphName
  /** In the order of the graph's ports. */
  readonly outputs: readonly OutputName[]
  /** How many examples, and rows of each. */
  readonly count: number
  readonly draws: number
  /** The part of examples `start` to `end`. */
  readonly part: (start: number, end: number) => Part
}

export type Done = {
  /** [count * draws, width] flat, by name */
  readonly outputs: Readonly<Partial<Record<OutputName, Float32Array>>>
  readonly queueMs: number
  readonly inputMs: number
  readonly computeMs: number
}

/** A request that is under way. */
export type Ticket = {
  /** @throws what the workers throw, or what `cancel` was given */
  readonly done: Promise<Done>
  /** Takes it out of the queue; what a worker has of it is thrown away. Nothing where it is done. */
  readonly cancel: (error: Error) => void
}

/** Where batches go. */
export type Runner = {
  /** How many calls the next worker has; undefined where none may be given. */
  readonly load: number | undefined
  readonly call: (batch: BatchCall) => Promise<BatchAnswer>
}

export type BatcherOptions = BatchingOptions & {
  /** Hears of every batch that was run. */
  readonly onBatch?: (graph: GraphName, rows: number, answer: BatchAnswer) => void
}

type Entry = {
  readonly work: Work
  readonly since: number
  readonly resolve: (done: Done) => void
  readonly reject: (error: Error) => void
  /** Examples that were sent, and that came back. */
  sent: number
  got: number
  settled: boolean
  queueMs: number
  inputMs: number
  computeMs: number
  outputs: Partial<Record<OutputName, Float32Array>>
}

/** An entry's examples in a batch. */
type Piece = { readonly entry: Entry; readonly start: number; readonly end: number }

/**
 * Dynamic batching: requests that want the same of a graph are joined, in their order, up to a number of rows and a delay, and the answers are
 * split again. What is left of a long request goes to the end of the queue, so that it stalls no other. A batch changes no score beyond the
 * runtime's own rounding: every draw is keyed by the request's seed and the example's index in it.
 */
export class Batcher {
  readonly maxQueue: number
  readonly delayMs: number
  readonly #runner: Runner
  readonly #maxBatch: number
  readonly #prefetch: number
  readonly #onBatch: BatcherOptions['onBatch']
  readonly #lanes = new Map<string, Entry[]>()
  #rows = 0
  #timer: NodeJS.Timeout | undefined
  /** Rows a second, of late. */
  #rate = 1000

  constructor(runner: Runner, { maxBatch = 256, delayMs = 1, maxQueue = 4096, prefetch = 128, onBatch }: BatcherOptions = {}) {
    this.#runner = runner
    this.#maxBatch = maxBatch
    this.#prefetch = prefetch
    this.delayMs = delayMs
    this.maxQueue = maxQueue
    this.#onBatch = onBatch
  }

  /** Rows that wait. */
  get queued(): number {
    return this.#rows
  }

  /** @throws RequestError 429 where the queue has no room for it, 413 where it never has */
  submit(work: Work): Ticket {
    const rows = work.count * work.draws
    if (rows > this.maxQueue) {
      const remedy = 'send it in parts; /v1/score takes any number as lines of NDJSON'
      throw new RequestError(`rows of a request: expected at most ${this.maxQueue}, got ${rows}`, { status: 413, remedy })
    }
    if (this.#rows + rows > this.maxQueue) {
      const retryAfter = Math.max(1, Math.ceil(this.#rows / this.#rate))
      throw new RequestError(`the queue is full: ${this.#rows} of ${this.maxQueue} rows wait`, { status: 429, retryAfter })
    }
    let entry!: Entry
    const done = new Promise<Done>((resolve, reject) => {
      const figures = { sent: 0, got: 0, settled: false, queueMs: 0, inputMs: 0, computeMs: 0, outputs: {} }
      entry = { work, since: performance.now(), resolve, reject, ...figures }
    })
    const lane = `${work.graph} ${work.outputs}`
    const entries = this.#lanes.get(lane)
    if (entries) entries.push(entry)
    else this.#lanes.set(lane, [entry])
    this.#rows += rows
    this.pump()
    return { done, cancel: (error) => this.#cancel(entry, error) }
  }

  /** Gives the workers what they can take. */
  pump(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (;;) {
      const load = this.#runner.load
      const entries = load === undefined ? undefined : this.#oldest()
      if (!entries) return
      // A busy worker gets its next batch before it asks where that is worth a call; fewer rows wait for company.
      if (load! > 0 && !this.#holds(entries, this.#prefetch)) return
      const wait = this.delayMs - (performance.now() - entries[0]!.since)
      if (wait > 0 && !this.#holds(entries, this.#maxBatch)) {
        this.#timer = setTimeout(() => this.pump(), Math.ceil(wait))
        return
      }
      void this.#send(this.#take(entries))
    }
  }

  /** The lane whose first entry has waited longest. */
  #oldest(): Entry[] | undefined {
    let oldest: Entry[] | undefined
    for (const entries of this.#lanes.values()) {
      if (entries.length > 0 && (!oldest || entries[0]!.since < oldest[0]!.since)) oldest = entries
    }
    return oldest
  }

  #holds(entries: readonly Entry[], least: number): boolean {
    let rows = 0
    return entries.some(({ work, sent }) => {
      rows += (work.count - sent) * work.draws
      return rows >= least
    })
  }

  #take(entries: Entry[]): Piece[] {
    const pieces: Piece[] = []
    let room = this.#maxBatch
    while (entries.length > 0) {
      const entry = entries[0]!
      const { count, draws } = entry.work
      // An example is not cut, however many its draws are.
      const most = Math.max(pieces.length === 0 ? 1 : 0, Math.floor(room / draws))
      const start = entry.sent
      const end = Math.min(count, start + most)
      if (end === start) break
      entry.sent = end
      if (start === 0) entry.queueMs = performance.now() - entry.since
      pieces.push({ entry, start, end })
      room -= (end - start) * draws
      this.#rows -= (end - start) * draws
      entries.shift()
      if (end < count) {
        entries.push(entry)
        break
      }
    }
    return pieces
  }

  async #send(pieces: readonly Piece[]): Promise<void> {
    const { graph, outputs } = pieces[0]!.entry.work
    const parts = pieces.map(({ entry, start, end }) => entry.work.part(start, end))
    const rows = pieces.reduce((sum, { entry, start, end }) => sum + (end - start) * entry.work.draws, 0)
    const start = performance.now()
    try {
      const answer = await this.#runner.call({ kind: 'batch', graph, outputs, parts })
      // Half of what it was and half of what this batch says: a few batches tell the rate.
      this.#rate = (this.#rate + (1000 * rows) / Math.max(1, performance.now() - start)) / 2
      this.#onBatch?.(graph, rows, answer)
      let at = 0
      for (const piece of pieces) {
        this.#deliver(piece, answer, at, rows)
        at += (piece.end - piece.start) * piece.entry.work.draws
      }
    } catch (error) {
      for (const { entry } of pieces) this.#cancel(entry, error as Error)
    }
  }

  /** Gives an entry its rows of a batch's answer, from `at` on: a view of them where they are all that it asked for. */
  #deliver({ entry, start, end }: Piece, { outputs, inputMs, computeMs }: BatchAnswer, at: number, rows: number): void {
    const { work } = entry
    const all = work.count * work.draws
    for (const name of work.outputs) {
      const data = outputs[name]!
      const width = data.length / rows
      const part = data.subarray(at * width, (at + (end - start) * work.draws) * width)
      if (start === 0 && end === work.count) entry.outputs[name] = part
      else {
        entry.outputs[name] ??= new Float32Array(all * width)
        entry.outputs[name].set(part, start * work.draws * width)
      }
    }
    entry.got += end - start
    entry.inputMs += inputMs
    entry.computeMs += computeMs
    if (entry.got < work.count || entry.settled) return
    entry.settled = true
    entry.resolve({ outputs: entry.outputs, queueMs: entry.queueMs, inputMs: entry.inputMs, computeMs: entry.computeMs })
  }

  #cancel(entry: Entry, error: Error): void {
    if (entry.settled) return
    entry.settled = true
    for (const entries of this.#lanes.values()) {
      const at = entries.indexOf(entry)
      if (at === -1) continue
      entries.splice(at, 1)
      this.#rows -= (entry.work.count - entry.sent) * entry.work.draws
    }
    entry.reject(error)
  }
}

/** The outputs that are wanted, in the order of the ports, so that the same wish is always the same lane. */
export function inPortOrder(graph: GraphName, wanted: readonly string[]): OutputName[] {
  return graphPorts[graph].outputs.filter((name) => wanted.includes(name))
}
