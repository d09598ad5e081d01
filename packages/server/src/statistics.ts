import type { GraphName } from './calls.ts'

/** A number of events and the time that they took. */
export type Duration = { count: number; ns: number }

/** What has been asked of one graph, in the terms of the protocol's statistics extension. */
export type GraphStatistics = {
  /** Milliseconds since the epoch of the last request; 0 where there was none. */
  lastInference: number
  /** Examples, and batches. */
  inferences: number
  executions: number
  readonly success: Duration
  readonly fail: Duration
  readonly queue: Duration
  readonly input: Duration
  readonly compute: Duration
  /** By rows. */
  readonly batches: Map<number, { readonly input: Duration; readonly compute: Duration }>
}

export type Statistics = { readonly [G in GraphName]: GraphStatistics }

const nothing = (): Duration => ({ count: 0, ns: 0 })

const ofGraph = (): GraphStatistics => ({
  lastInference: 0,
  inferences: 0,
  executions: 0,
  success: nothing(),
  fail: nothing(),
  queue: nothing(),
  input: nothing(),
  compute: nothing(),
  batches: new Map(),
})

export const noStatistics = (): Statistics => ({ encoder: ofGraph(), decoder: ofGraph() })

/** Adds an event that took so many milliseconds. */
export function add(duration: Duration, ms: number): void {
  duration.count++
  duration.ns += Math.round(ms * 1e6)
}

/** Adds a batch that was run. */
export function addBatch(of: GraphStatistics, rows: number, { inputMs, computeMs }: { inputMs: number; computeMs: number }): void {
  of.executions++
  const batch = of.batches.get(rows) ?? { input: nothing(), compute: nothing() }
  of.batches.set(rows, batch)
  add(batch.input, inputMs)
  add(batch.compute, computeMs)
}
