import { readFile } from 'node:fs/promises'
import type { Manifest } from '@niceflow/core'
import {
  adam,
  averaged,
  clipped,
  type FlowConfig,
  InvalidConfigError,
  logScale,
  type Optimizer,
  paperMnist,
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
  /** The largest joint norm of a step's gradients; 0 leaves them as they are. */
  readonly clip: number
  /** Decay of the moving average of the weights that is validated and kept; 0 keeps the weights themselves. */
  readonly averaging: number
  /** Probability with which a hidden unit is dropped, for each example and step afresh. */
  readonly dropout: number
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
  clip: z.number().nonnegative(),
  averaging: fraction,
  dropout: fraction,
  imageShift: countOrZero,
  plainEpochs: countOrZero,
  validation: countOrZero,
  patience: countOrZero,
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
    scaleRate: 1,
    scaleInit: 'data',
    clip: 0,
    averaging: 0,
    dropout: 0,
    imageShift: 0,
    plainEpochs: 0,
    validation: 10_000,
    patience: 0,
    saveEvery: 0,
    stepsPerRun: 50,
  },
}

/** The defaults of a PyTorch port of the paper's model: what a flag is when neither it nor a preset is given. */
const pytorch: Recipe = { ...paper, training: { ...paper.training, epochs: 50, beta2: 0.999, saveEvery: 5 } }

/**
 * The same model in minutes: shifts measured in deviations of the data (most pixels hardly vary, and steps of equal size would drown them in
 * noise), a quicker s, Adam's epsilon too small to hold it back, and a learning rate four times the paper's that warm-up makes bearable and a
 * cosine takes back.
 */
const quick: Recipe = {
  flow: { ...paper.flow, shiftUnit: 'deviation' },
  training: {
    ...paper.training,
    epochs: 4,
    learningRate: 4e-3,
    schedule: 'cosine',
    warmup: 1,
    epsilon: 1e-8,
    weightDecay: 0.5,
    scaleRate: 10,
  },
}

/**
 * The same model as far as an hour takes it. By then it would know its examples by heart: so it sees them moved by a pixel, until the rate has
 * fallen and the last epochs show it digits where they will be.
 */
const best: Recipe = {
  ...quick,
  training: { ...quick.training, epochs: 76, learningRate: 2e-3, weightDecay: 0.25, imageShift: 1, plainEpochs: 20 },
}

/**
 * Beyond the paper: affine couplings of standardised logits and a Gaussian prior, as later flows have them (Dinh et al. 2017; Papamakarios et
 * al. 2017).
 */
const affine: Recipe = {
  flow: {
    ...paper.flow,
    law: 'affine',
    couplings: 10,
    hiddenLayers: 2,
    preprocessing: [{ kind: 'logit', alpha: 1e-6 }, { kind: 'standardize' }],
    prior: 'gaussian',
  },
  training: { ...quick.training, epochs: 50, learningRate: 7e-4, warmup: 0, epsilon: 1e-4, scaleRate: 1 },
}

/**
 * Beyond the paper: couplings that give each moved dimension a histogram of its own, which says "black" exactly, and partitions by one binary
 * digit of the index after another, so that every pixel comes to depend on its neighbours. Small enough that eight bits a weight make 20 MB.
 */
const histogram: Recipe = {
  flow: {
    ...paper.flow,
    law: 'histogram',
    bins: 10,
    partition: 'dyadic',
    couplings: 8,
    hiddenLayers: 2,
    hiddenDim: 512,
    preprocessing: [
      { kind: 'equalize', bins: 10 },
      { kind: 'logit', alpha: 1e-6 },
    ],
  },
  training: { ...quick.training, epochs: 12, learningRate: 1e-3, scaleRate: 1 },
}

/** Recipes by name, as data. */
export const presets: Readonly<Record<'pytorch' | 'paper' | 'quick' | 'best' | 'affine' | 'histogram', Recipe>> = {
  pytorch,
  paper,
  quick,
  best,
  affine,
  histogram,
}
export type PresetName = keyof typeof presets
/** The recipe where none is named. */
export const defaultPreset: PresetName = 'pytorch'

/**
 * A preset with a caller's changes, checked.
 * @throws InvalidConfigError naming the field, what was expected and what was got
 */
export function resolveRecipe(base: Recipe, changes: PartialRecipe, dim: number): Recipe {
  const flow = parseFlowConfig({ ...base.flow, ...changes.flow, dim })
  return { flow, training: parseTrainingConfig({ ...base.training, ...changes.training }) }
}

/** The recipe that a bundle was made by. */
export function recipeOf({ name, config, provenance }: Manifest): Recipe {
  // What an older bundle does not say was not there to be set: it is as the paper has it.
  const training = { ...presets.paper.training, ...(provenance.training as object) }
  return {
    flow: parseFlowConfig({ ...presets.paper.flow, ...(config as object) }),
    training: parseTrainingConfig(training, `training config of bundle ${name}`),
  }
}

function parseTrainingConfig(value: unknown, what = 'training config'): TrainingConfig {
  const result = schema.safeParse(value)
  if (!result.success) refuse(what, value, result.error)
  return result.data
}

/** A recipe in a file: a preset, the name of a dataset, and changes to the preset. */
export type RecipeFile = PartialRecipe & { readonly preset?: PresetName | undefined; readonly dataset?: string | undefined }

const fields = z.record(z.string(), z.unknown())
const fileSchema = z.strictObject({
  preset: z.enum(Object.keys(presets) as PresetName[]).optional(),
  dataset: z.string().optional(),
  flow: fields.optional(),
  training: fields.optional(),
})

/**
 * Reads a recipe's JSON file. The fields of `flow` and `training` are checked by `resolveRecipe`, with the preset's in their places.
 * @throws InvalidConfigError naming the file and the field
 */
export async function readRecipeFile(path: string): Promise<RecipeFile> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new InvalidConfigError(`config ${path}: cannot be read: ${cause.code}`, { cause, remedy: 'check the path', usage: true })
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new InvalidConfigError(`config ${path}: not JSON: ${(cause as Error).message}`, { cause, remedy: 'mend the file', usage: true })
  }
  const result = fileSchema.safeParse(value)
  if (!result.success) refuse(`config ${path}`, value, result.error)
  return result.data as RecipeFile
}
