import { type ExampleScores, exampleScores, type Judge } from '@niceflow/core'
import { codeSizes, type Rows } from '@niceflow/formats'
import { averageDraws } from '@niceflow/runtime'
import type { Bounds, ServedBundle } from '../served.ts'

/** How examples are scored; the words of `niceflow score`. */
export type Scoring = { readonly seed: number; readonly draws: number; readonly judge: Judge | null }

export type IndexedScores = { readonly index: number } & ExampleScores

/**
 * All that `niceflow score` tells of examples.
 * @param firstIndex the index of the first: draws are keyed by it, so that parts of a dataset score as the whole does
 */
export async function scoreRows(
  bundle: ServedBundle,
  { dtype, dims, data }: Rows,
  { seed, firstIndex, draws: asked, judge }: Scoring & { readonly firstIndex: number },
  bounds: Bounds,
): Promise<IndexedScores[]> {
  const { model } = bundle.facts.manifest
  // Floats are taken as they are.
  const draws = dtype === 'uint8' ? asked : 1
  const { outputs } = await bundle.run(
    {
      graph: 'encoder',
      outputs: ['log_likelihood'],
      count: dims[0]!,
      draws,
      part: (start, end) => ({
        kind: 'examples',
        data: data.subarray(start * model.dim, end * model.dim),
        seed,
        firstIndex: firstIndex + start,
        draws,
      }),
    },
    bounds,
  )
  const score = averageDraws(outputs.log_likelihood!, draws, model)
  const compressedBits = judge?.bySize ? codeSizes(dtype === 'uint8' ? { dtype, dims, data } : { dtype, dims, data }, model) : null
  return exampleScores({ ...score, compressedBits }, model, judge).map((example, i) => ({ index: firstIndex + i, ...example }))
}

/** What an answer tells beside the examples. */
export function scoringFacts({ name, version, facts }: ServedBundle, { seed, draws, judge }: Scoring): object {
  const { recommended = null, falsePositiveRate = null, threshold = null } = judge ?? {}
  const { manifest, dtype, device } = facts
  return { model: name, version, range: manifest.model.dataRange, draws, seed, dtype, device, recommended, falsePositiveRate, threshold }
}
