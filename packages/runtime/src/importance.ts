import { type ModelFacts, quantiles } from '@niceflow/core'
import { assertInteger, logScaleOf } from './check.ts'
import { priorRows } from './examples.ts'
import { defaultMaxBatch, type Flow } from './flow.ts'

/**
 * How far each latent reaches in the data, [dim]: exp(-s), the scale that the prior has before the scaling layer. The larger, the more important
 * the dimension.
 * @throws NiceflowError for a model that does not say its s
 * @see Dinh et al. 2014, section 3.3
 */
export function latentScales(model: Pick<ModelFacts, 'logScale'>): Float64Array {
  return Float64Array.from(logScaleOf(model), (s) => Math.exp(-s))
}

/** Dimensions that are moved at once: two rows each make a batch, and no more are in memory. */
const chunk = defaultMaxBatch / 2

export type ReachOptions = {
  /** Samples that it is the mean over. @default 4 */
  readonly draws?: number
  /** Of the samples. @default 0 */
  readonly seed?: number
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * How far each latent moves the data, [dim]: the root mean square over samples of the distance between what they are with that latent alone at the
 * prior's lower quartile and at its upper one, in units of the data range. It takes 2 dim decodings a sample, and tells dimensions apart where
 * exp(-s) does not: couplings that scale, and preprocessing, move data by other measures than s.
 */
export async function latentReach(flow: Flow, { draws = 4, seed = 0, onProgress }: ReachOptions = {}): Promise<Float64Array> {
  assertInteger('draws', draws, 1)
  assertInteger('seed', seed, 0)
  const { dim, manifest } = flow
  const quartiles = [0.25, 0.75].map(quantiles[manifest.model.prior])
  const samples = priorRows(draws, manifest.model, { seed })
  const squares = new Float64Array(dim)
  for (let draw = 0; draw < draws; draw++) {
    const sample = samples.read(draw, draw + 1)
    for (let first = 0; first < dim; first += chunk) {
      const moved = Math.min(chunk, dim - first)
      const z = new Float32Array(2 * moved * dim)
      for (let row = 0; row < 2 * moved; row++) {
        z.set(sample, row * dim)
        z[row * dim + first + (row >> 1)] = quartiles[row & 1]!
      }
      const { data } = await flow.decode(z)
      for (let d = 0; d < moved; d++) {
        const [low, high] = [2 * d * dim, (2 * d + 1) * dim]
        for (let i = 0; i < dim; i++) squares[first + d]! += (data[high + i]! - data[low + i]!) ** 2
      }
    }
    onProgress?.(draw + 1, draws)
  }
  return squares.map((sum) => Math.sqrt(sum / draws))
}

/** Dimensions in the order of their importance, the most important first; equals by their index. */
export function byImportance(importance: ArrayLike<number>): number[] {
  return Array.from({ length: importance.length }, (_, d) => d).sort((a, b) => importance[b]! - importance[a]! || a - b)
}
