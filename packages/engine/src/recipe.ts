import { type Dequantization, dequantizations } from '@niceflow/core'
import {
  adam,
  averaged,
  type CouplingInit,
  clipped,
  couplingInits,
  type FlowConfig,
  logScale,
  type Optimizer,
  parseFlowConfig,
  refuse,
  type ScaleInit,
  scaleInits,
} from '@niceflow/flow'
import * as z from 'zod'

const schedules = ['cosine', 'linear', 'constant'] as const
export type Schedule = (typeof schedules)[number]

/** How a flow is fitted. */
export type TrainingConfig = {
  readonly seed: number
  /** Passes over the training examples. */
  readonly epochs: number
  readonly batchSize: number
  readonly learningRate: number
  /** `cosine` and `linear` fall to `finalLearningRate` over the whole run; `constant` stays. */
  readonly schedule: Schedule
  readonly finalLearningRate: number
  /** Epochs over which the rate first rises in a straight line from 0. */
  readonly warmup: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
  /** The learning rate of the scaling layer's s relative to the others': Adam moves each s by at most one learning rate a step. */
  readonly scaleRate: number
  /** How the scaling layer's s starts. */
  readonly scaleInit: ScaleInit
  /** How the couplings' networks start. */
  readonly couplingInit: CouplingInit
  /** The largest joint norm of a step's gradients; 0 leaves them as they are. */
  readonly clip: number
  /** Decay of the moving average of the weights that is validated and kept; 0 keeps the weights themselves. */
  readonly averaging: number
  /** Probability with which a hidden unit is dropped, for each example and step afresh. */
  readonly dropout: number
  /** How pixels are spread over the data range. */
  readonly dequantization: Dequantization
  /** Augmentation: training images are moved by up to so many pixels each way, afresh in every epoch. */
  readonly imageShift: number
  /** Last epochs in which images stay where they are: the model ends on what it will meet. */
  readonly plainEpochs: number
  /** Examples held out of the training split to choose the model; 0 trains on all and keeps the last. */
  readonly validation: number
  /** Stop after so many epochs without a better validation; 0 never does. */
  readonly patience: number
  /** Keep a snapshot every so many epochs; 0 keeps none. */
  readonly saveEvery: number
  /** Steps in one run of the training graph: how often progress is shown and a signal is heard. */
  readonly stepsPerRun: number
}

/** The optimizer of a training config. */
export function optimizerOf(training: TrainingConfig): Optimizer {
  const { clip, averaging, scaleRate } = training
  const plain = adam({ ...training, rates: { [logScale]: scaleRate } })
  const bounded = clip > 0 ? clipped(plain, clip) : plain
  return averaging > 0 ? averaged(bounded, averaging) : bounded
}

/** A training recipe: the model and how it is fitted. */
export type Recipe = { readonly flow: FlowConfig; readonly training: TrainingConfig }

/** What a caller may leave out; `dim` comes from the data. */
export type PartialRecipe = { readonly flow?: Partial<FlowConfig> | undefined; readonly training?: Partial<TrainingConfig> | undefined }

const rate = z.number().gt(0)
const fraction = z.number().gte(0).lt(1)
const count = z.int().positive()
const countOrZero = z.int().nonnegative()

const schema: z.ZodType<TrainingConfig> = z.strictObject({
  seed: countOrZero,
  epochs: count,
  batchSize: count,
  learningRate: rate,
  schedule: z.enum(schedules),
  finalLearningRate: z.number().nonnegative(),
  warmup: z.number().nonnegative(),
  beta1: fraction,
  beta2: fraction,
  epsilon: rate,
  weightDecay: z.number().nonnegative(),
  scaleRate: rate,
  scaleInit: z.enum(scaleInits),
  couplingInit: z.enum(couplingInits),
  clip: z.number().nonnegative(),
  averaging: fraction,
  dropout: fraction,
  dequantization: z.enum(dequantizations),
  imageShift: countOrZero,
  plainEpochs: countOrZero,
  validation: countOrZero,
  patience: countOrZero,
  saveEvery: countOrZero,
  stepsPerRun: count,
})

/**
 * A preset with a caller's changes, checked.
 * @throws InvalidConfigError naming the field, what was expected and what was got
 */
export function resolveRecipe(base: Recipe, changes: PartialRecipe, dim: number): Recipe {
  const flow = parseFlowConfig({ ...base.flow, ...changes.flow, dim })
  return { flow, training: parseTrainingConfig({ ...base.training, ...changes.training }) }
}

/**
 * Checks a training config from outside.
 * @throws InvalidConfigError naming the field, what was expected and what was got
 */
export function parseTrainingConfig(value: unknown, what = 'training config'): TrainingConfig {
  const result = schema.safeParse(value)
  if (!result.success) refuse(what, value, result.error)
  return result.data
}
