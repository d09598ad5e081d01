import { type CatalogueEntry, catalogue, catalogueEntry, type DatasetFile, parseName } from './catalogue.ts'
import type { LoadOptions } from './load.ts'
import { contentsReader, findFile, type ReadPlace, remedyOf, sha256, type Where, wantedPath } from './places.ts'

/** How one file of a dataset stands; where its digest is not known, or another, with what was found. */
export type FileState = DatasetFile & {
  readonly path: string
  readonly state: 'ok' | 'missing' | 'damaged' | 'wrong checksum' | 'checksum unknown'
  readonly found?: string
}

/** Whether a file must be had before its dataset can be loaded. */
export function isLacking({ state }: FileState): boolean {
  return state !== 'ok' && state !== 'checksum unknown'
}

/** What `niceflow data list` shows of a dataset. */
export type DatasetDescription = Omit<CatalogueEntry, 'files'> & {
  readonly name: string
  readonly files: readonly FileState[]
  /** What to do for files that are not here. */
  readonly remedy: string
}

/** Every dataset of the catalogue, and whether its files are here and intact. */
export async function describeDatasets(options: LoadOptions = {}): Promise<DatasetDescription[]> {
  const described: DatasetDescription[] = []
  // One after another: some are large.
  for (const name of Object.keys(catalogue)) described.push(await describeDataset(name, options))
  return described
}

/** A dataset, and whether its files are here and intact. @throws InvalidValueError (usage) for an unknown name */
export async function describeDataset(name: string, { dir }: LoadOptions = {}): Promise<DatasetDescription> {
  const { files, ...entry } = catalogueEntry(name)
  const { base } = parseName(name)
  const remedy = remedyOf(base, entry)
  const read = contentsReader(remedy)
  const states: FileState[] = []
  for (const file of distinct([...files.train, ...files.test])) states.push(await stateOf(base, entry, file, dir, read))
  return { name: base, ...entry, files: states, remedy }
}

function distinct(files: readonly DatasetFile[]): DatasetFile[] {
  return [...new Map(files.map((file) => [file.name, file])).values()]
}

async function stateOf(name: string, where: Where, file: DatasetFile, dir: string | undefined, read: ReadPlace): Promise<FileState> {
  const place = findFile(name, where, file, dir)
  if (!place) return { ...file, path: wantedPath(name, where, file, dir), state: 'missing' }
  const bytes = await read(place).catch(() => undefined)
  const { path } = place
  if (bytes === undefined) return { ...file, path, state: 'damaged' }
  const found = sha256(bytes)
  if (found === file.sha256) return { ...file, path, state: 'ok' }
  return { ...file, path, state: file.sha256 === null ? 'checksum unknown' : 'wrong checksum', found }
}
