import { isTable } from '@niceflow/core'
import type { Preprocessing } from '@niceflow/flow'
import type { PartialRecipe, Recipe } from './recipe.ts'
import type { TrainingData } from './training-data.ts'

/** The share of examples that may be held out by a recipe that was not written for them, and the share that is held out instead. */
const [mostHeldOut, usuallyHeldOut] = [0.5, 0.1]

/**
 * Changes to a recipe that suit it to data for which it was not written, wherever the caller asks for nothing else: fewer held-out examples where
 * there are few; for plain numbers, standardisation, and their own range in the place of that of pixels.
 * @param changes the caller's
 */
export function suitedTo(
  { examples, imageShape }: Pick<TrainingData, 'examples' | 'imageShape'>,
  base: Recipe,
  changes: PartialRecipe,
): PartialRecipe {
  const count = examples.dims[0]!
  const { flow = {}, training = {} } = changes
  const many = base.training.validation > mostHeldOut * count
  const validation = training.validation === undefined && many ? { validation: Math.floor(usuallyHeldOut * count) } : {}
  const table = isTable({ pixels: examples.dtype === 'uint8', imageShape })
  const numbers = table ? { preprocessing: [{ kind: 'standardize' }] satisfies Preprocessing[], dataRange: rangeOf(examples.data) } : {}
  return { flow: { ...numbers, ...flow }, training: { ...validation, ...training } }
}

function rangeOf(values: Uint8Array | Float32Array): readonly [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return low < high ? [low, high] : [low, low + 1]
}
