import { InvalidValueError, type ModelFacts, normalScores, rows, tensor } from '@niceflow/core'
import { assertInteger } from './check.ts'
import type { DequantizationKey, Examples } from './examples.ts'
import type { Explored, Flow } from './flow.ts'

export const interpolationKinds = ['linear', 'spherical', 'quantile'] as const
/**
 * How a path goes from latents a to b, at t from 0 to 1.
 * - `linear`: (1 - t) a + t b. Halfway between independent a and b its variance is half the prior's: nearer to the mode than data are.
 * - `spherical`: the great arc sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b, w the angle between a and b (Shoemake 1985, section 3.3; White 2016,
 *   arXiv 1609.04468). It keeps the length, hence the variance, of independent draws, and with it a Gaussian prior; of logistic draws it makes ever
 *   more Gaussian ones.
 * - `quantile`: the same arc between the normal scores of a and b, each latent having been put through the prior's distribution function and the
 *   normal quantile function, and back. Only independent Gaussians look the same from every direction (the theorem of Herschel and Maxwell), so
 *   theirs is the one space where turning from a draw towards another passes through draws: every point has the prior's own marginals. For a
 *   Gaussian prior it is `spherical`.
 */
export type InterpolationKind = (typeof interpolationKinds)[number]

type Path = (a: Float64Array, b: Float64Array) => (t: number) => Float64Array

const linear: Path = (a, b) => (t) => a.map((value, d) => (1 - t) * value + t * b[d]!)

/** Below this sine two directions are one, or opposite, and no arc is the shortest: the path is a line, which the arc tends to. */
const leastSine = 1e-6

const spherical: Path = (a, b) => {
  const cosine = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
  const angle = Math.acos(Math.max(-1, Math.min(1, cosine)))
  const sine = Math.sin(angle)
  // A row of zeros has no direction: its cosine is NaN.
  if (!(sine > leastSine)) return linear(a, b)
  return (t) => {
    const [from, to] = [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine]
    return a.map((value, d) => from * value + to * b[d]!)
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, d) => sum + value * b[d]!, 0)
}

/**
 * The path between two latents [dim].
 * @param steps points, from 2; the first is a and the last is b, to the last bit
 * @returns [steps, dim], flat
 */
export function latentPath(
  a: Float32Array,
  b: Float32Array,
  { steps, kind, prior }: Required<PathOptions> & Pick<ModelFacts, 'prior'>,
): Float32Array {
  const { scoreOf, latentOf } = normalScores[kind === 'quantile' ? prior : 'gaussian']
  const path = (kind === 'linear' ? linear : spherical)(Float64Array.from(a, scoreOf), Float64Array.from(b, scoreOf))
  const out = new Float32Array(steps * a.length)
  for (let step = 1; step < steps - 1; step++) out.set(path(step / (steps - 1)).map(latentOf), step * a.length)
  out.set(a)
  out.set(b, (steps - 1) * a.length)
  return out
}

export type PathOptions = {
  /** Points, both ends among them. @default 9 */
  readonly steps?: number
  /** @default 'quantile' */
  readonly kind?: InterpolationKind
}

/** What `Flow.interpolate` does. */
export async function interpolate(
  flow: Flow,
  a: Examples,
  b: Examples,
  { steps = 9, kind = 'quantile', seed = 0, firstIndex = 0 }: PathOptions & DequantizationKey,
): Promise<Explored> {
  assertInteger('steps', steps, 2)
  if (!interpolationKinds.includes(kind)) {
    throw new InvalidValueError({ what: 'kind', expected: interpolationKinds.join(', '), got: kind })
  }
  const { z: from } = await flow.encode(a, { seed, firstIndex })
  const n = from.dims[0]!
  const { z: to } = await flow.encode(b, { seed, firstIndex: firstIndex + n })
  if (to.dims[0] !== n) throw new InvalidValueError({ what: 'examples to go to', expected: `${n}, as many as to go from`, got: to.dims[0] })
  const dims = [n, steps, flow.dim]
  const z = tensor('float32', dims)
  for (let i = 0; i < n; i++) {
    const path = { steps, kind, prior: flow.manifest.model.prior }
    z.data.set(latentPath(rows(from, i, i + 1).data, rows(to, i, i + 1).data, path), i * steps * flow.dim)
  }
  return { x: tensor('float32', dims, (await flow.decode(z.data)).data), z }
}
