import { meanAndError, rows, type Tensor } from '@niceflow/core'
import { drawPoints, knownDensities, logDensitiesOf } from '@niceflow/data'
import { type Fit, type PartialRecipe, startFit } from '@niceflow/engine'
import { openSession } from '@niceflow/runtime-node'
import { choleskyFactor } from '../../packages/data/src/known/cholesky.ts'

/** What is drawn of a known density, and in what its recipe departs from the preset `table`. */
export type Toy = { readonly examples: number; readonly test: number; readonly recipe: PartialRecipe }

export type Figures = {
  readonly name: string
  readonly dim: number
  readonly seed: number
  readonly steps: number
  /** Mean ln p of the points held out: under the density itself, under the flow, and the difference with its standard error, nats. */
  readonly truth: number
  readonly logLikelihood: number
  readonly gap: number
  readonly gapError: number
  /** Nats by which one normal distribution with the covariance of the training points is worse than the truth. */
  readonly normalGap: number
  /** From the points to their scores. */
  readonly seconds: number
}

export type Fitted = { readonly figures: Figures; readonly fit: Fit; readonly held: Tensor<'float32'> }

/** Points held out are another draw than those to train on. */
const [training, heldOut] = [0, 1]

/** Rows scored at once. */
const chunk = 1000

/** Fits the preset `table` to points drawn of a known density, and scores others under both. */
export async function fitToy(name: string, { examples, test, recipe }: Toy, seed: number): Promise<Fitted> {
  const density = knownDensities[name]!
  const points = drawPoints(density, examples, { seed, draw: training })
  const held = drawPoints(density, test, { seed, draw: heldOut })
  const started = performance.now()
  const fit = await startFit({
    data: points,
    preset: 'table',
    config: { ...recipe, training: { ...recipe.training, seed } },
    open: (model) => openSession(model, { device: 'cpu' }),
  })
  let steps = 0
  for await (const { step } of fit.progress) steps = step
  const scores = await score(fit, held)
  const seconds = (performance.now() - started) / 1000
  const known = logDensitiesOf(density, held)
  const gap = meanAndError(known.map((nats, i) => nats - scores[i]!))
  const figures = {
    name,
    dim: density.dim,
    seed,
    steps,
    truth: meanAndError(known).mean,
    logLikelihood: meanAndError(scores).mean,
    gap: gap.mean,
    gapError: gap.standardError,
    normalGap: meanAndError(known).mean - normalLogLikelihood(points),
    seconds,
  }
  return { figures, fit, held }
}

/** ln p of each point under the flow as it is, nats. */
export async function score({ engine }: Fit, points: Tensor<'float32'>): Promise<Float64Array> {
  const scores = new Float64Array(points.dims[0]!)
  for (let start = 0; start < scores.length; start += chunk)
    scores.set(await engine.logLikelihood(rows(points, start, Math.min(start + chunk, scores.length)) as Tensor<'float32'>), start)
  return scores
}

/** Mean ln p of points under the normal distribution that has their mean and covariance: -(D ln(2 pi e) + ln det covariance) / 2. */
function normalLogLikelihood({ dims, data }: Tensor<'float32'>): number {
  const [count, dim] = dims as [number, number]
  const mean = Array.from({ length: dim }, (_, d) => meanOf(count, (i) => data[i * dim + d]!))
  const factor = choleskyFactor(dim, (a, b) => meanOf(count, (i) => (data[i * dim + a]! - mean[a]!) * (data[i * dim + b]! - mean[b]!)))
  const logDet = 2 * dim * meanOf(dim, (d) => Math.log(factor[d * dim + d]!))
  return -(dim * Math.log(2 * Math.PI * Math.E) + logDet) / 2
}

function meanOf(count: number, value: (i: number) => number): number {
  let sum = 0
  for (let i = 0; i < count; i++) sum += value(i)
  return sum / count
}
