import { readFile } from 'node:fs/promises'
import type { Manifest } from '@niceflow/core'
import { adam, type FlowConfig, InvalidConfigError, logScale, type Optimizer, paperMnist, parseFlowConfig, refuse } from '@niceflow/flow'
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
  /** The learning rate of the scaling layer's s relative to the others': Adam moves each s by at most one learning rate a step. */
  readonly scaleRate: number
  /** Examples held out of the training split to choose the model; 0 trains on all and keeps the last. */
  readonly validation: number
  /** Keep a snapshot every so many epochs; 0 keeps none. */
  readonly saveEvery: number
  /** Steps in one run of the training graph: how often progress is shown and a signal is heard. */
  readonly stepsPerRun: number
}

/** The optimizer of a training config. */
export function optimizerOf(training: TrainingConfig): Optimizer {
  return adam({ ...training, rates: { [logScale]: training.scaleRate } })
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
  scaleRate: rate,
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
    scaleRate: 1,
    validation: 10_000,
    saveEvery: 0,
    stepsPerRun: 50,
  },
}

/**
 * The same model in minutes: a cosine schedule, light weight decay, shifts measured in deviations of the data (most pixels hardly vary, and
 * steps of equal size would drown them in noise), and a quicker s.
 */
const quick: Recipe = {
  flow: { ...paper.flow, shiftUnit: 'deviation' },
  training: { ...paper.training, epochs: 4, schedule: 'cosine', weightDecay: 0.3, scaleRate: 10 },
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
  return { flow, training: parseTrainingConfig({ ...base.training, ...changes.training }) }
}

/** The recipe that a bundle was made by. */
export function recipeOf({ name, config, provenance }: Manifest): Recipe {
  return { flow: parseFlowConfig(config), training: parseTrainingConfig(provenance.training, `training config of bundle ${name}`) }
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
