import { normalize, sep } from 'node:path'
import { InvalidValueError, type Preparation, permutation, streamKey, type Tensor, tensor } from '@niceflow/core'
import { InvalidFileError, type Rows } from '@niceflow/formats'
import type { Dataset } from '../load.ts'
import type { Part, PartOptions } from './part.ts'
import { readParts } from './source.ts'

/** The share of examples that become the test split where the files have none and nobody says how many. */
export const usualTestFraction = 0.1

/** Of the draw that chooses them: which they are is a fact of the data, whatever the seed of a run. */
const testSeed = 0

export type PathOptions = Preparation & PartOptions

/** A user's files as a dataset, apart from its identity; its name is their path. */
export type PathDataset = Omit<Dataset, 'sha256'> & { readonly classes?: Part['classes'] }

/**
 * Loads the dataset that a path holds. Examples of the test split are drawn by a fixed seed where the files have none of their own.
 * @throws InvalidValueError (usage) for a fraction that is none, NiceflowError, InvalidFileError naming the file
 */
export async function loadPath(path: string, { testFraction, ...options }: PathOptions): Promise<PathDataset> {
  if (testFraction !== undefined && !(testFraction >= 0 && testFraction <= 1))
    throw new InvalidValueError({ what: 'test fraction', expected: 'a number from 0 to 1', got: testFraction, usage: true })
  const parts = await readParts(path, options)
  const { resize, grey, columns } = options
  const drawn = parts.test ? undefined : (testFraction ?? usualTestFraction)
  const { examples: train, ...facts } = parts.train
  const test = parts.test?.examples
  if (test) assertAlike(path, parts.train, parts.test!)
  const preparation: Preparation = {
    ...(resize && { resize }),
    ...(grey && { grey }),
    ...(columns && { columns }),
    ...(drawn !== undefined && { testFraction: drawn }),
  }
  return {
    name: nameOf(path),
    dim: train.dims[1]!,
    ...facts,
    preparation,
    ...(test ? { train, test } : splitOff(path, train, drawn!)),
  }
}

/** A path as it is remembered: the same, however it ends. */
function nameOf(path: string): string {
  const plain = normalize(path)
  return plain.length > 1 && plain.endsWith(sep) ? plain.slice(0, -1) : plain
}

function assertAlike(path: string, train: Part, test: Part): void {
  const shape = ({ imageShape, examples: { dtype, dims } }: Part): string => `${dtype} [${imageShape?.join(', ') ?? dims[1]}]`
  if (shape(train) !== shape(test))
    throw new InvalidFileError(path, { what: 'test examples', expected: `${shape(train)}, like those for training`, got: shape(test) })
  const [names, others] = [train.columns?.join(', '), test.columns?.join(', ')]
  if (names !== others)
    throw new InvalidFileError(path, { what: 'columns for testing', expected: names ?? 'no names', got: others ?? 'no names' })
}

/** Holds out a share of the rows by a seeded draw, one at the least; both parts keep their order. */
function splitOff(path: string, rows: Rows, fraction: number): { readonly train: Rows; readonly test: Rows } {
  const count = rows.dims[0]!
  const held = fraction === 0 ? 0 : Math.max(1, Math.round(fraction * count))
  if (fraction < 1 && count - held < 2) {
    const expected = `at least ${2 + Math.min(1, held)}: two to fit${held > 0 ? ', and one to test on' : ''}`
    throw new InvalidFileError(path, { what: 'examples', expected, got: count, remedy: 'give more of them' })
  }
  const order = permutation(streamKey(testSeed, 'split', 0, 1), count)
  return { train: pick(rows, order.slice(held).sort()), test: pick(rows, order.slice(0, held).sort()) }
}

function pick(source: Rows, indices: Uint32Array): Rows {
  const width = source.dims[1]!
  const picked = tensor(source.dtype, [indices.length, width]) as Tensor<'uint8'> | Tensor<'float32'>
  indices.forEach((index, i) => {
    picked.data.set(source.data.subarray(index * width, (index + 1) * width), i * width)
  })
  return picked
}
