import { readFile } from 'node:fs/promises'
import type { Manifest } from '@niceflow/core'
import { type PartialRecipe, type PresetName, parseTrainingConfig, presets, type Recipe } from '@niceflow/engine'
import { InvalidConfigError, parseFlowConfig, refuse } from '@niceflow/flow'
import * as z from 'zod'

/** The recipe that a bundle was made by. */
export function recipeOf({ name, config, provenance }: Pick<Manifest, 'name' | 'config' | 'provenance'>): Recipe {
  // What an older bundle does not say was not there to be set: it is as the paper has it.
  const training = { ...presets.paper.training, ...(provenance.training as object) }
  return {
    flow: parseFlowConfig({ ...presets.paper.flow, ...(config as object) }),
    training: parseTrainingConfig(training, `training config of bundle ${name}`),
  }
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
