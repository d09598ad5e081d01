import { type Manifest, NiceflowError, type Preparation } from '@niceflow/core'
import { type Dataset, findEntry, isPath, loadDataset, type PathOptions } from '@niceflow/data'
import { recipeOf } from '@niceflow/trainer'
import { countProgress, warn } from './progress.ts'

/** The flags that say how a dataset is read, as yargs gives them. */
export type DatasetArguments = Preparation & { readonly dataDir?: string | undefined }

/** What of a bundle tells how other data for its model are read. */
export type ModelOfData = Pick<Manifest, 'model' | 'provenance'>

/**
 * Loads a dataset by its name or path; a user's files as the flags say, else as those that the model was trained on were read.
 * @throws as `loadDataset`
 */
export async function openDataset(name: string, { dataDir: dir, ...flags }: DatasetArguments, own?: ModelOfData): Promise<Dataset> {
  if (!(await isPath(name))) return loadDataset(name, { dir, ...preparationOf(flags) })
  const preparation = { ...own?.provenance.preparation, ...preparationOf(flags) }
  return loadDataset(name, { ...reading(), ...preparation, named: own?.model.columns })
}

/** What is told while files are read. */
export function reading(): Pick<PathOptions, 'onProgress' | 'onWarning'> {
  return { onProgress: countProgress('reading image'), onWarning: warn }
}

/** The flags that are given. */
export function preparationOf({ resize, grey, columns, testFraction }: Preparation): Preparation {
  return Object.fromEntries(Object.entries({ resize, grey, columns, testFraction }).filter(([, value]) => value !== undefined))
}

/**
 * The dataset that a model was trained on, where there are examples to judge it by; undefined where it is not to be had, as a caller's own arrays are
 * not, and with a warning where a user's files are others than they were.
 */
export async function ownDataset(
  own: Pick<Manifest, 'name' | 'config' | 'model' | 'provenance'>,
  dataDir: string | undefined,
): Promise<Dataset | undefined> {
  const { dataset: name, datasetSha256 } = own.provenance
  if (findEntry(name)) return loadDataset(name, { dir: dataDir })
  if (!(await isPath(name))) return undefined
  const dataset = await openDataset(name, {}, own).catch((error: unknown) => {
    if (!NiceflowError.is(error)) throw error
    warn(error.message)
    return undefined
  })
  if (!dataset) return undefined
  if (dataset.sha256 !== datasetSha256) {
    warn(
      `${name} has changed since the model was trained on it (SHA-256 ${datasetSha256.slice(0, 12)}…, now ${dataset.sha256.slice(0, 12)}…)`,
    )
    return undefined
  }
  return recipeOf(own).training.validation > 0 || dataset.test.dims[0]! > 0 ? dataset : undefined
}
