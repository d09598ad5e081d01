import { fillUniform, streamKey, type Tensor, tensor } from '@niceflow/core'

export type Point = ArrayLike<number> & Iterable<number>

/** A density that can be drawn from and computed: what a fitted flow can be held against. */
export type KnownDensity = {
  readonly description: string
  readonly dim: number
  /** How many uniform draws make a point. */
  readonly draws: number
  /** The point [dim] that draws of (0, 1) become. */
  readonly point: (u: Float64Array) => Point
  /** ln p(x) of a point x [dim], nats. */
  readonly logDensity: (x: Point) => number
}

export type DrawOptions = {
  readonly seed: number
  /** Points of another draw are others: 0 for those to train on, say, and 1 for those to test with. @default 0 */
  readonly draw?: number
}

/** Points of a known density, float32 [count, dim]; each is a function of (seed, draw, its index) alone. */
export function drawPoints({ dim, draws, point }: KnownDensity, count: number, { seed, draw = 0 }: DrawOptions): Tensor<'float32'> {
  const points = tensor('float32', [count, dim])
  const u = new Float64Array(draws)
  for (let i = 0; i < count; i++) {
    fillUniform(streamKey(seed, 'synthesis', i, draw), u)
    points.data.set(point(u), i * dim)
  }
  return points
}

/** ln p(x) of each of points [n, dim]: [n], nats. */
export function logDensitiesOf({ logDensity }: KnownDensity, { dims, data }: Tensor<'float32'>): Float64Array {
  const [count, dim] = dims as [number, number]
  return Float64Array.from({ length: count }, (_, i) => logDensity(data.subarray(i * dim, (i + 1) * dim)))
}

/** ln sum exp(values), without overflow. */
export function logSumExp(values: Float64Array): number {
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  return most === Number.NEGATIVE_INFINITY ? most : most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0))
}
