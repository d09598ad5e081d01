import { fillUniform, quantiles, streamKey, type Tensor, tensor } from '@niceflow/core'
import { type Fit, type FitOptions, type PartialRecipe, startFit } from '@niceflow/engine'
import { lastStep } from './train-methods.ts'

/**
 * A flow of a square, small enough to train while one watches: three couplings that give a coordinate a histogram which depends on the other
 * one, some 60,000 parameters.
 */
const flow: PartialRecipe['flow'] = {
  dataRange: [0, 1],
  preprocessing: [{ kind: 'logit', alpha: 0.02 }],
  partition: 'even-odd',
  couplings: 3,
  law: 'histogram',
  bins: 32,
  shiftUnit: 'one',
  hiddenLayers: 2,
  hiddenDim: 128,
  activation: 'relu',
  prior: 'logistic',
}
const batchSize = 200

/** Begins to fit a small flow to points [n, 2]; the same seed and points give the same steps. */
export function fitPoints(points: Float32Array, seed: number, host: Pick<FitOptions, 'open' | 'makeEngine'>): Promise<Fit> {
  const count = points.length / 2
  const epochs = Math.ceil(lastStep / Math.ceil(count / batchSize))
  const training: PartialRecipe['training'] = {
    ...{ seed, epochs, batchSize, learningRate: 3e-3, schedule: 'cosine', warmup: 0, epsilon: 1e-8, weightDecay: 0, scaleRate: 1 },
    ...{ averaging: 0, clip: 0, dropout: 0, imageShift: 0, plainEpochs: 0 },
  }
  return startFit({ data: tensor('float32', [count, 2], points), config: { flow, training }, ...host })
}

/**
 * Takes some steps of a fit, or a few more: an epoch of few points is a run of its own.
 * @returns the mean log-likelihood of what it saw, nats, and the steps done so far; none where all are done
 */
export async function advance(
  { progress }: Fit,
  steps: number,
  done: number,
): Promise<{ logLikelihood: number; step: number } | undefined> {
  let [sum, step] = [0, done]
  while (step < done + steps) {
    const { value, done: ended } = await progress.next()
    if (ended) break
    sum += value.logLikelihood * (value.step - step)
    step = value.step
  }
  return step > done ? { logLikelihood: sum / (step - done), step } : undefined
}

/** The middles of a grid's cells, row by row from the top, [side * side, 2]. */
export function gridPoints(side: number): Tensor<'float32'> {
  const at = (i: number): number => (i + 0.5) / side
  const points = Array.from({ length: side * side }, (_, i) => [at(i % side), 1 - at(Math.floor(i / side))])
  return tensor('float32', [side * side, 2], Float32Array.from(points.flat()))
}

/** Latents of the prior, [count, 2]: the same at every step, so that one sees samples move. */
export function priorPoints(count: number): Tensor<'float32'> {
  const z = tensor('float32', [count, 2])
  for (let i = 0; i < count; i++) fillUniform(streamKey(0, 'sample', i), z.data, 2 * i, 2 * i + 2)
  return { ...z, data: z.data.map(quantiles.logistic) }
}
