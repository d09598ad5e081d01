import { type Judge, rows } from '@niceflow/core'
import { codeSizes } from '@niceflow/formats'
import { type Flow, NonFiniteLikelihoodError } from '@niceflow/runtime'
import { ahead, blockRows, type ReadOptions, readExamples, type Stretch } from '../examples.ts'
import { type ScoredExample, scoredExamples } from './columns.ts'

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
  for await (const stretch of ahead(readExamples(paths, flow.manifest.model, options))) yield scoreStretch(flow, stretch, options)
}

async function scoreStretch(flow: Flow, stretch: Stretch, options: StreamOptions): Promise<ScoredExample[]> {
  const { x, firstIndex, origins } = stretch
  try {
    const { seed, draws, judge } = options
    const score = await flow.score(x, { draws: x.dtype === 'uint8' ? draws : 1, seed, firstIndex })
    return scoredExamples(flow.manifest, stretch, score, judge?.bySize ? codeSizes(x, flow.manifest.model) : null, judge)
  } catch (error) {
    if (!(error instanceof NonFiniteLikelihoodError)) throw error
    const { row: at, value } = error
    const { file, row } = origins[at]!
    const named = new NonFiniteLikelihoodError({ row, value, range: flow.manifest.model.dataRange, of: file })
    if (!options.onBroken) throw named
    options.onBroken(named)
    const rest = [part(stretch, 0, at), part(stretch, at + 1, origins.length)].filter((one) => one.origins.length > 0)
    const scored: ScoredExample[] = []
    for (const one of rest) scored.push(...(await scoreStretch(flow, one, options)))
    return scored
  }
}

function part({ x, firstIndex, origins }: Stretch, start: number, end: number): Stretch {
  return { x: rows(x, start, end), firstIndex: firstIndex + start, origins: origins.slice(start, end) }
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
