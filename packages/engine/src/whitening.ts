import { InvalidValueError, NiceflowError, type Tensor, tensor } from '@niceflow/core'
import type { Whitening } from '@niceflow/flow'
import { buildGraph, encodeModel, type Graph } from '@niceflow/graph'
import { matrixRoot } from './matrix-root.ts'
import type { OpenSession } from './onnxruntime.ts'
import { pivots } from './pivots.ts'
import { type MomentRows, secondMoments } from './second-moments.ts'

/** What to whiten: rows r [n, dim], the data being x = low + scale r with independent noise of that variance upon each dimension. */
export type WhiteningSource = {
  readonly rows: () => AsyncIterable<MomentRows>
  readonly dim: number
  readonly low: number
  readonly scale: number
  readonly noise: number
}

/** A whitening, and how well it whitens. */
export type MeasuredWhitening = Whitening & {
  /** max |W (C + epsilon I) W' - I|, of W as graphs hold it. */
  readonly residual: number
}

/** Where the work is: examples summed, then steps of the root; there is no more to tell of. */
export type WhiteningProgress = { readonly what: 'covariance' | 'root'; readonly done: number; readonly total: number }

export type WhiteningOptions = {
  readonly epsilon: number
  readonly open: OpenSession
  readonly onProgress?: ((progress: WhiteningProgress) => void) | undefined
  /** Of all rows, for progress. */
  readonly count: number
}

/** Float32 data resolve 2^-23 of their size: directions with less than its square of all variance, in each of dim dimensions, are rounding. */
const resolution = 2 ** -46

/** W rounded to float32, 6e-8 of entries up to some hundred, moves variances by 1e-5; a root that was not found leaves them anywhere. */
const whiteEnough = 1e-3

export class WhiteningError extends NiceflowError {
  override readonly name = 'WhiteningError'
}

/**
 * ZCA: y = W (x - mean), W = (C + epsilon I)^-1/2, C the covariance of the data with their noise. W is symmetric: of all matrices that whiten it
 * moves the data least. An epsilon of 0 is exact.
 * @throws InvalidValueError where whitening is to be exact and the data, without their noise, do not vary in all directions
 * @throws WhiteningError where float64 does not resolve so small an epsilon
 */
export async function measureWhitening(
  { rows, dim, low, scale, noise }: WhiteningSource,
  { epsilon, open, onProgress, count }: WhiteningOptions,
): Promise<MeasuredWhitening> {
  const counted = async function* (): AsyncGenerator<MomentRows> {
    let done = 0
    for await (const chunk of rows()) {
      yield chunk
      done += chunk.dims[0]!
      onProgress?.({ what: 'covariance', done, total: count })
    }
  }
  const { mean, covariance } = await secondMoments(counted(), dim, open)
  let variance = 0
  for (let d = 0; d < dim; d++) variance += covariance[d * dim + d]!
  const rounding = resolution * dim * variance
  if (epsilon === 0) assertFullRank(covariance, dim, rounding)
  const added = noise + epsilon
  for (let i = 0; i < covariance.length; i++) covariance[i]! *= scale ** 2
  for (let d = 0; d < dim; d++) covariance[d * dim + d]! += added
  const least = epsilon === 0 ? noise + rounding * scale ** 2 : added
  const found = await matrixRoot(covariance, dim, least, open, (done, total) => onProgress?.({ what: 'root', done, total }))
  const [matrix, inverse] = [Float32Array.from(found.inverse), Float32Array.from(found.root)]
  const residual = await distanceFromWhite(covariance, matrix, dim, open)
  if (!(residual < whiteEnough)) {
    throw new WhiteningError(`whitening with epsilon ${epsilon}: max |W C W' - I|: expected less than ${whiteEnough}, got ${residual}`, {
      remedy: 'give a larger epsilon',
    })
  }
  const logDet = pivots(covariance, dim).reduce((sum, pivot) => sum - Math.log(pivot) / 2, 0)
  return { mean: Float32Array.from(mean, (value) => low + scale * value), matrix, inverse, logDet, residual }
}

function assertFullRank(covariance: Float64Array, dim: number, rounding: number): void {
  const flat = rounding === 0 ? dim : pivots(covariance, dim, rounding).filter((pivot) => pivot <= 0).length
  if (flat === 0) return
  throw new InvalidValueError({
    what: `directions, of ${dim}, in which examples do not vary, as where a pixel is constant or examples are few`,
    expected: 'none for exact whitening (epsilon 0)',
    got: flat,
    remedy: 'whiten approximately, with an epsilon: --preprocessing whiten:zca:1e-3',
  })
}

/** W C W' - I, from W as float32 graphs hold it. */
function residualGraph(dim: number): Graph {
  const g = buildGraph('residual')
  const w = g.Cast(g.input('w', 'float32', [dim, dim]), { to: 'float64' })
  g.output('white', g.MatMul(g.MatMul(w, g.input('c', 'float64', [dim, dim])), w))
  return g.build()
}

async function distanceFromWhite(covariance: Float64Array, matrix: Float32Array, dim: number, open: OpenSession): Promise<number> {
  const session = await open(encodeModel({ graph: residualGraph(dim), metadata: {} }), 'evaluation')
  const feeds = { w: tensor('float32', [dim, dim], matrix), c: tensor('float64', [dim, dim], covariance) }
  const { data } = (await session.run(feeds)).white as Tensor<'float64'>
  await session.dispose()
  let most = 0
  for (let i = 0; i < data.length; i++) most = Math.max(most, Math.abs(data[i]! - (i % (dim + 1) === 0 ? 1 : 0)))
  return data.every(Number.isFinite) ? most : Number.NaN
}
