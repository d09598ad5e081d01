import { type Examples, InvalidValueError, permutation, type Selection, streamKey } from '@niceflow/core'

export const splitNames = ['train', 'validation', 'test'] as const
export type SplitName = (typeof splitNames)[number]

export type SplitOptions = {
  /** How many training examples are held out. */
  readonly validation: number
  readonly seed: number
}

/**
 * Holds out a seeded choice of `validation` of `count` examples; both lists ascend.
 * @throws InvalidValueError (usage) where nothing would be left to train on
 */
export function splitIndices(
  count: number,
  validation: number,
  seed: number,
): { readonly train: Uint32Array; readonly validation: Uint32Array } {
  if (!Number.isInteger(validation) || validation < 0 || validation >= count) {
    throw new InvalidValueError({
      what: 'validation examples',
      expected: `an integer from 0 to ${count - 1}, one less than the training examples`,
      got: validation,
      usage: true,
    })
  }
  const order = permutation(streamKey(seed, 'split', 0), count)
  return { train: order.slice(validation).sort(), validation: order.slice(0, validation).sort() }
}

/**
 * The examples of a split.
 * @throws InvalidValueError (usage) for a validation or test split of no examples, or one that leaves none to train on
 */
export function selectSplit(
  dataset: { readonly train: Examples; readonly test: Examples },
  split: SplitName,
  { validation, seed }: SplitOptions,
): Selection {
  if (split === 'test') {
    const count = dataset.test.dims[0]!
    if (count === 0) throw new InvalidValueError({ what: 'test examples', expected: 'at least 1 to evaluate on', got: count, usage: true })
    return { examples: dataset.test, indices: Uint32Array.from({ length: count }, (_, i) => i) }
  }
  if (split === 'validation' && validation === 0) {
    throw new InvalidValueError({ what: 'validation examples', expected: 'at least 1 to evaluate on', got: validation, usage: true })
  }
  return { examples: dataset.train, indices: splitIndices(dataset.train.dims[0]!, validation, seed)[split] }
}
