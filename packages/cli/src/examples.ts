import { type ModelFacts, NiceflowError, rows, tensor } from '@niceflow/core'
import type { Rows } from '@niceflow/formats'
import { defaultMaxBatch } from '@niceflow/runtime'
import { finiteStretches } from './examples/rows.ts'
import { type Source, type SourceOptions, sources } from './examples/sources.ts'
import { warn } from './progress.ts'

export type { Rows }

/** Where an example of a request came from: a file, and its row in it. */
export type Origin = { readonly file: string; readonly row: number }

/** Neighbours in a request that are alike in type, and where each came from. */
export type Stretch = {
  readonly x: Rows
  /** The index of the first in the whole request. */
  readonly firstIndex: number
  readonly origins: readonly Origin[]
}

export type ReadOptions = SourceOptions & {
  /** The examples of the request that are wanted, by index. @default all */
  readonly start?: number
  readonly end?: number
  /** Hears of each file, image or row that is broken, which is then left out; the first is thrown when left out. */
  readonly onBroken?: ((error: NiceflowError) => void) | undefined
  /** Takes rows in which numbers are missing (NaN and the infinities) as they are: who asks for them knows which are. @default false */
  readonly holes?: boolean
}

/**
 * Rows that are scored together, a batch of a flow. Blocks of them begin at multiples of it, whichever part of a request is read: the same
 * examples lie in the same batch, and so have the same score to the last bit.
 */
export const blockRows: number = defaultMaxBatch

/** Images that are read at once. */
const concurrent = 32

/** Rows of a file that are wanted: `first` is the index in the request of row `start`. */
type Piece = { readonly source: Source; readonly first: number; readonly start: number; readonly end: number }

const refuse = (error: NiceflowError): never => {
  throw error
}

/**
 * The examples of files and of all files in folders, in the order of the paths and by name within a folder. No more than a block of them is in
 * memory; files of a few rows are put together in one.
 * @throws NiceflowError naming the file that cannot be read or is not the model's
 */
export async function* readExamples(
  paths: readonly string[],
  model: ModelFacts,
  { start = 0, end = Number.POSITIVE_INFINITY, onBroken = refuse, holes = false, resize }: ReadOptions = {},
): AsyncGenerator<Stretch> {
  let at = 0
  let block: Piece[] = []
  const own = (error: NiceflowError): void => {
    // What is before the part that is wanted is another's to tell.
    if (at >= start) onBroken(error)
  }
  for await (const source of start < end ? sources(paths, model, own, warn, { resize }) : []) {
    const last = Math.min(end, at + source.count)
    for (let first = Math.max(start, at), next: number; first < last; first = next) {
      next = Math.min(last, (Math.floor(first / blockRows) + 1) * blockRows)
      block.push({ source, first, start: first - at, end: next - at })
      if (next % blockRows !== 0) continue
      yield* stretches(block, onBroken, holes)
      block = []
    }
    at += source.count
    if (at >= end) break
  }
  yield* stretches(block, onBroken, holes)
}

/**
 * How many examples a request has.
 * @param onBroken hears of what is broken, and of the index of the example that comes next; the first is thrown when left out
 * @throws as `readExamples`, for what shows without reading images and rows
 */
export async function countExamples(
  paths: readonly string[],
  model: ModelFacts,
  onBroken: (error: NiceflowError, at: number) => void = refuse,
): Promise<number> {
  let count = 0
  const told = (error: NiceflowError): void => onBroken(error, count)
  for await (const source of sources(paths, model, told, () => {})) count += source.count
  return count
}

/** The next value of a generator is made while the last one is used, as far as it waits for files. */
export async function* ahead<T>(values: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = values.next()
  try {
    for (;;) {
      const { done, value } = await next
      if (done) return
      next = values.next()
      // It is thrown where it is waited for, if it ever is.
      next.catch(() => {})
      yield value
    }
  } finally {
    // Who stops early leaves no file open.
    await values.return(undefined)
  }
}

async function* stretches(block: readonly Piece[], onBroken: (error: NiceflowError) => void, holes: boolean): AsyncGenerator<Stretch> {
  let open: Stretch[] = []
  let next = -1
  for (let i = 0; i < block.length; i += concurrent) {
    const pieces = block.slice(i, i + concurrent)
    const read = await Promise.allSettled(pieces.map(({ source, start, end }) => source.read(start, end)))
    for (const [j, result] of read.entries()) {
      if (result.status === 'rejected' && !NiceflowError.is(result.reason)) throw result.reason
      if (result.status === 'rejected') onBroken(result.reason)
      for (const part of result.status === 'fulfilled' ? parts(pieces[j]!, result.value, onBroken, holes) : []) {
        if (open.length > 0 && (part.firstIndex !== next || part.x.dtype !== open[0]!.x.dtype)) {
          yield joined(open)
          open = []
        }
        open.push(part)
        next = part.firstIndex + part.origins.length
      }
    }
  }
  if (open.length > 0) yield joined(open)
}

function parts({ source: { file }, first, start }: Piece, x: Rows, onBroken: (error: NiceflowError) => void, holes: boolean): Stretch[] {
  const whole = holes ? [[0, x.dims[0]!] as const] : finiteStretches(x, (row) => `row ${start + row} of ${file}`, onBroken)
  return whole.map(([from, to]) => ({
    x: rows(x, from, to),
    firstIndex: first + from,
    origins: Array.from({ length: to - from }, (_, i) => ({ file, row: start + from + i })),
  }))
}

function joined(parts: readonly Stretch[]): Stretch {
  if (parts.length === 1) return parts[0]!
  return { ...parts[0]!, x: joinRows(parts.map(({ x }) => x)), origins: parts.flatMap(({ origins }) => origins) }
}

/** Rows of one type, one after another; there must be some. */
export function joinRows(parts: readonly Rows[]): Rows {
  const [{ dtype, dims }] = parts as [Rows, ...Rows[]]
  const x = tensor(dtype, [parts.reduce((sum, part) => sum + part.dims[0]!, 0), dims[1]!]) as Rows
  let at = 0
  for (const { data } of parts) {
    x.data.set(data, at)
    at += data.length
  }
  return x
}
