import { type Judge, rows } from '@niceflow/core'
import { type Flow, NonFiniteLikelihoodError, type Score } from '@niceflow/runtime'
import { ahead, blockRows, type ReadOptions, readExamples, type Stretch } from '../examples.ts'
import { type ScoredExample, scoredExamples } from './columns.ts'
import { sizeCoder } from './size-coder.ts'

export type StreamOptions = ReadOptions & {
  /** Dequantisation draws averaged for each example of pixels. */
  readonly draws: number
  readonly seed: number
  /** What compares examples with held-out ones; null for a bundle without calibration. */
  readonly judge: Judge | null
}

/**
 * Scores the examples of files and folders as they are read, in the order of their indices. Draws are keyed by an example's index in the whole
 * request, and blocks of examples are scored in the same batches whatever part of it is asked for.
 * @throws NiceflowError naming the file, and its row, that cannot be scored
 */
export async function* scoreExamples(flow: Flow, paths: readonly string[], options: StreamOptions): AsyncGenerator<ScoredExample[]> {
  const { model, provenance } = flow.manifest
  const reading = { ...options, resize: provenance.preparation?.resize }
  const coder = options.judge?.bySize ? sizeCoder(model) : null
  // Twice ahead: the next examples are there when a run ends, which keeps this thread from hearing of files.
  const stretches = ahead(ahead(readExamples(paths, model, reading)))
  const begin = async (): Promise<Begun | undefined> => {
    const { done, value: stretch } = await stretches.next()
    return done ? undefined : { stretch, sizes: coder?.sizes(stretch.x) ?? null }
  }
  try {
    for (let next = begin(), begun = await next; begun; begun = await next) {
      const { score, broken } = await scoreStretch(flow, begun.stretch, options)
      // The session has all cores while it runs: sizes are coded between two runs, beside what this thread does there.
      next = begin()
      next.catch(() => {})
      yield judged(flow, begun.stretch, score, await begun.sizes, broken, options.judge)
    }
  } finally {
    await stretches.return(undefined)
    await coder?.close()
  }
}

/** Examples that were read, and whose sizes are on their way. */
type Begun = { readonly stretch: Stretch; readonly sizes: Promise<Float64Array | null> | null }

/** All rows in one run, whichever are broken: the others are scored in the same batch with them or without. */
async function scoreStretch(
  flow: Flow,
  { x, firstIndex, origins }: Stretch,
  { seed, draws, onBroken }: StreamOptions,
): Promise<{ readonly score: Score; readonly broken: readonly number[] }> {
  const broken: number[] = []
  const onNonFinite = ({ row: at, value }: NonFiniteLikelihoodError): void => {
    const { file, row } = origins[at]!
    const named = new NonFiniteLikelihoodError({ row, value, range: flow.manifest.model.dataRange, of: file })
    if (!onBroken) throw named
    onBroken(named)
    broken.push(at)
  }
  const score = await flow.score(x, { draws: x.dtype === 'uint8' ? draws : 1, seed, firstIndex, onNonFinite })
  return { score, broken }
}

/** What is told of the examples between those that are broken. */
function judged(
  { manifest }: Flow,
  stretch: Stretch,
  score: Score,
  sizes: Float64Array | null,
  broken: readonly number[],
  judge: Judge | null,
): ScoredExample[] {
  const edges = [-1, ...broken, stretch.origins.length]
  return edges.slice(1).flatMap((end, i) => {
    const start = edges[i]! + 1
    if (start === end) return []
    return scoredExamples(manifest, partOf(stretch, start, end), scoreOf(score, start, end), sizes?.subarray(start, end) ?? null, judge)
  })
}

function partOf({ x, firstIndex, origins }: Stretch, start: number, end: number): Stretch {
  return { x: rows(x, start, end), firstIndex: firstIndex + start, origins: origins.slice(start, end) }
}

function scoreOf({ logLikelihood, standardError, bitsPerDim, ...how }: Score, start: number, end: number): Score {
  const part = (figures: Float64Array): Float64Array => figures.subarray(start, end)
  return { ...how, logLikelihood: part(logLikelihood), standardError: part(standardError), bitsPerDim: part(bitsPerDim) }
}

/** A part of a request: the one that `--shard i/n` asks for. */
export type Shard = { readonly index: number; readonly of: number }

/**
 * The examples of a shard: whole blocks, one after the other, so that shards put together in their order are the whole.
 * @param count how many the request has
 */
export function shardRange(count: number, { index, of }: Shard): { readonly start: number; readonly end: number } {
  const blocks = Math.ceil(count / blockRows)
  const edge = (shard: number): number => Math.min(count, Math.floor((blocks * shard) / of) * blockRows)
  return { start: edge(index), end: edge(index + 1) }
}
