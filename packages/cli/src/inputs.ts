import { InvalidValueError, type Manifest, rows } from '@niceflow/core'
import { loadDataset, type SplitName, splitNames } from '@niceflow/data'
import { exists, selectFor } from '@niceflow/trainer'
import { type Rows, readExamples } from './examples.ts'

/** How an example is named, for the help. */
export const inputHelp = 'a PNG, NPY or IDX file of one, or dataset:split:index, such as mnist:test:7'

/**
 * One example: of a file, or the one that `dataset:split:index` names; the indices of a split count from 0.
 * @throws InvalidValueError for a file of several, or an index that the split does not have; and as `readExamples` and `loadDataset`
 */
export async function readInput(word: string, manifest: Manifest, dataDir?: string): Promise<Rows> {
  const [, name, split, index] = /^([\w-]+):([a-z]+):(\d+)$/.exec(word) ?? []
  if (name !== undefined && !(await exists(word))) return exampleOf(word, { name, split: split!, index: Number(index) }, manifest, dataDir)
  const found: Rows[] = []
  for await (const { x } of readExamples([word], manifest.model)) found.push(x)
  const count = found.reduce((sum, { dims }) => sum + dims[0]!, 0)
  if (count !== 1)
    throw new InvalidValueError({ what: word, expected: 'one example', got: count, remedy: 'save the one that you mean alone' })
  return found[0]!
}

async function exampleOf(
  word: string,
  { name, split, index }: { readonly name: string; readonly split: string; readonly index: number },
  manifest: Manifest,
  dir: string | undefined,
): Promise<Rows> {
  if (!(splitNames as readonly string[]).includes(split)) {
    throw new InvalidValueError({ what: `split of ${word}`, expected: splitNames.join(', '), got: split, usage: true })
  }
  const { examples, indices } = selectFor(manifest, await loadDataset(name, { dir }), split as SplitName)
  const at = indices[index]
  if (at === undefined) {
    throw new InvalidValueError({ what: `index of ${word}`, expected: `at most ${indices.length - 1}`, got: index, usage: true })
  }
  return rows(examples, at, at + 1)
}
