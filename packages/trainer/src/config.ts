import { type FlowConfig, paperMnist, parseFlowConfig, refuse } from '@niceflow/flow'
import * as z from 'zod'

/** How a flow is fitted. */
export type TrainingConfig = {
  readonly seed: number
  /** Passes over the training examples. */
  readonly epochs: number
  readonly batchSize: number
  readonly learningRate: number
  /** `cosine` falls to `finalLearningRate` over the whole run; `constant` stays. */
  readonly schedule: 'cosine' | 'constant'
  readonly finalLearningRate: number
  /** Epochs over which the rate first rises in a straight line from 0. */
  readonly warmup: number
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
  /** Examples held out of the training split to choose the model; 0 trains on all and keeps the last. */
  readonly validation: number
  /** Keep a snapshot every so many epochs; 0 keeps none. */
  readonly saveEvery: number
  /** Steps in one run of the training graph: how often progress is shown and a signal is heard. */
  readonly stepsPerRun: number
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
  schedule: z.enum(['cosine', 'constant']),
  finalLearningRate: z.number().nonnegative(),
  warmup: z.number().nonnegative(),
  beta1: fraction,
  beta2: fraction,
  epsilon: rate,
  weightDecay: z.number().nonnegative(),
  validation: countOrZero,
  saveEvery: countOrZero,
  stepsPerRun: count,
})

/** The paper's recipe (section 5.1), its beta2 = 0.01 read as today's 0.99 and its lambda = 1 as no decay of beta1. */
const paper: Recipe = {
  flow: paperMnist,
  training: {
    seed: 0,
    epochs: 1500,
    batchSize: 200,
    learningRate: 1e-3,
    schedule: 'constant',
    finalLearningRate: 0,
    warmup: 0,
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-4,
    weightDecay: 0,
    validation: 10_000,
    saveEvery: 0,
    stepsPerRun: 50,
  },
}

/** The same model in minutes: a cosine schedule over few epochs and light weight decay. */
const quick: Recipe = {
  ...paper,
  training: { ...paper.training, epochs: 8, schedule: 'cosine', weightDecay: 0.3 },
}

/** Recipes by name, as data. */
export const presets: Readonly<Record<'paper' | 'quick', Recipe>> = { paper, quick }
export type PresetName = keyof typeof presets

/**
 * A preset with a caller's changes, checked.
 * @throws InvalidConfigError naming the field, what was expected and what was got
 */
export function resolveRecipe(base: Recipe, changes: PartialRecipe, dim: number): Recipe {
  const flow = parseFlowConfig({ ...base.flow, ...changes.flow, dim })
  const training = { ...base.training, ...changes.training }
  const result = schema.safeParse(training)
  if (!result.success) refuse('training config', training, result.error)
  return { flow, training: result.data }
}
