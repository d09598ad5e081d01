import { InvalidValueError, type Manifest, NiceflowError, rows } from '@niceflow/core'
import { type SplitName, splitNames } from '@niceflow/data'
import { exists, selectFor } from '@niceflow/trainer'
import { openDataset } from './dataset.ts'
import { countExamples, joinRows, type ReadOptions, type Rows, readExamples } from './examples.ts'

/** How an example of a dataset is named, for the help. */
export const placeHelp = 'dataset:split:index, such as mnist:test:7 or table.csv:test:7'

/** How an example is named, for the help. */
export const inputHelp: string = `a PNG, JPEG, NPY, IDX or CSV file of one, or ${placeHelp}`

type Place = { readonly name: string; readonly split: string; readonly index: number }

/**
 * The examples of some words, one after another: those of files and folders, or the one that `dataset:split:index` names; the indices of a
 * split count from 0.
 * @throws InvalidValueError for an index that the split does not have; NiceflowError for pixels and floats together, and as `readExamples`
 * and `loadDataset`
 */
export async function readInputs(
  words: readonly string[],
  manifest: Manifest,
  dataDir?: string,
  options?: Pick<ReadOptions, 'holes'>,
): Promise<Rows> {
  const parts: Rows[] = []
  const reading = { ...options, resize: manifest.provenance.preparation?.resize }
  for (const word of words) {
    const place = await placeOf(word)
    if (place) parts.push(await exampleOf(word, place, manifest, dataDir))
    else for await (const { x } of readExamples([word], manifest.model, reading)) parts.push(x)
  }
  if (parts.some(({ dtype }) => dtype !== parts[0]!.dtype)) {
    throw new NiceflowError('inputs: expected pixels or floats, got both', { remedy: 'give them one kind at a time' })
  }
  return joinRows(parts)
}

/**
 * One example, as `readInputs` takes it.
 * @throws InvalidValueError for several, and as `readInputs`
 */
export async function readInput(word: string, manifest: Manifest, dataDir?: string): Promise<Rows> {
  const count = (await placeOf(word)) ? 1 : await countExamples([word], manifest.model)
  if (count === 1) return readInputs([word], manifest, dataDir)
  throw new InvalidValueError({ what: word, expected: 'one example', got: count, remedy: 'save the one that you mean alone' })
}

/** What a word names in a dataset; a file of that name comes first. */
async function placeOf(word: string): Promise<Place | undefined> {
  const [, name, split, index] = /^(.+):([a-z]+):(\d+)$/.exec(word) ?? []
  return name === undefined || (await exists(word)) ? undefined : { name, split: split!, index: Number(index) }
}

async function exampleOf(word: string, { name, split, index }: Place, manifest: Manifest, dir: string | undefined): Promise<Rows> {
  if (!(splitNames as readonly string[]).includes(split)) {
    throw new InvalidValueError({ what: `split of ${word}`, expected: splitNames.join(', '), got: split, usage: true })
  }
  const { examples, indices } = selectFor(manifest, await openDataset(name, { dataDir: dir }, manifest), split as SplitName)
  const at = indices[index]
  if (at === undefined) {
    throw new InvalidValueError({ what: `index of ${word}`, expected: `at most ${indices.length - 1}`, got: index, usage: true })
  }
  return rows(examples, at, at + 1)
}
