import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import {
  InvalidValueError,
  type Manifest,
  manifestVersion,
  parseManifest,
  type StorageType,
  storageTypes,
  type Variant,
} from '@niceflow/core'
import { catalogue } from '@niceflow/data'
import { decoderGraph, encoderGraph, type Flow, graphMetadata, inpainterGraph, nice } from '@niceflow/flow'
import { encodeModel, type Graph, layoutWeights, type Model, type StoredWeights, storedTensors } from '@niceflow/graph'
import { type BundleSource, manifestFile, sourceOfRun } from './bundle-source.ts'
import { exists, WriteError, writeAtomic } from './files.ts'
import { replaceFolder } from './replace.ts'
import type { Run } from './run.ts'

export type BundleContents = {
  /** @default the folder's name */
  readonly name?: string
  /** How weights are stored, one variant each; the first is the default, whose files have no suffix. @default fp32 of a run, what it has of a bundle */
  readonly dtypes?: readonly StorageType[]
}

export type ExportOptions = BundleContents & {
  /** Replace a bundle that is there already. */
  readonly overwrite?: boolean
}

/**
 * Writes a run's best parameters, or a bundle's, as a bundle: encoder, decoder and inpainter, the one file of weights that all refer to, and the
 * manifest. The folder appears whole: it is written under another name first.
 * @returns the manifest
 * @throws WriteError when the folder exists, holds something that is no bundle, or cannot be written; InvalidValueError for an unknown dtype
 */
export async function exportBundle(
  from: Run | BundleSource,
  folder: string,
  { name = basename(resolve(folder)), dtypes, overwrite }: ExportOptions = {},
): Promise<Manifest> {
  return replaceBundle(folder, { overwrite }, (draft) => writeBundle(from, draft, { name, ...(dtypes && { dtypes }) }))
}

/**
 * Makes a bundle that takes the folder's name when `make` is done with it: until then, and if it fails, an earlier bundle stays as it was.
 * @param make fills the draft, a folder of its own
 * @throws WriteError as `exportBundle`, and what `make` throws
 */
export async function replaceBundle<T>(
  folder: string,
  { overwrite = false }: { readonly overwrite?: boolean | undefined },
  make: (draft: string) => Promise<T>,
): Promise<T> {
  return replaceFolder(folder, () => assertReplaceableBundle(folder, overwrite), make)
}

/**
 * Writes the files of a bundle into a folder that is there.
 * @returns the manifest
 */
export async function writeBundle(
  from: Run | BundleSource,
  folder: string,
  { name = basename(resolve(folder)), ...contents }: BundleContents = {},
): Promise<Manifest> {
  const source = 'stored' in from ? from : await sourceOfRun(from)
  const dtypes = contents.dtypes ?? source.dtypes
  assertStorageTypes(dtypes)
  const flow = nice(source.flow)
  const { model, provenance } = source
  const variants: Partial<Record<StorageType, Variant>> = {}
  const files: Record<string, Digest> = {}
  for (const dtype of dtypes) {
    const variant = namesOf(dtype === dtypes[0] ? '' : `_${dtype}`)
    variants[dtype] = variant
    const contents = variantContents(flow, await source.stored(dtype), metadataOf({ name, model, provenance }, dtype), variant)
    for (const [file, chunks] of Object.entries(contents)) {
      await writeAtomic(join(folder, file), chunks)
      files[file] = digest(chunks)
    }
  }
  const manifest: Manifest = {
    formatVersion: manifestVersion,
    name,
    model,
    config: flow.config,
    dtype: dtypes[0]!,
    variants,
    files,
    provenance,
    ...source.figures(dtypes),
  }
  await writeAtomic(join(folder, manifestFile), formatManifest(manifest))
  return manifest
}

/** What the graph files of a model say of themselves. */
export function metadataOf(facts: Pick<Manifest, 'name' | 'model' | 'provenance'>, dtype: StorageType): Readonly<Record<string, string>> {
  const { dataset } = facts.provenance
  return graphMetadata(facts, dtype, Object.hasOwn(catalogue, dataset) ? catalogue[dataset]!.licence : undefined)
}

function assertStorageTypes(dtypes: readonly string[]): void {
  const unknown = dtypes.length === 0 ? 'none' : dtypes.find((dtype) => !(storageTypes as readonly string[]).includes(dtype))
  if (unknown === undefined) return
  throw new InvalidValueError({ what: 'dtypes', expected: `some of ${storageTypes.join(', ')}`, got: unknown, usage: true })
}

const namesOf = (suffix: string): Required<Variant> => ({
  encoder: `encoder${suffix}.onnx`,
  decoder: `decoder${suffix}.onnx`,
  inpainter: `inpainter${suffix}.onnx`,
  weights: `weights${suffix}.bin`,
})

/** The files of a variant: its graphs, and the one file of weights that all refer to. */
function variantContents(
  flow: Flow,
  stored: StoredWeights,
  metadata: Model['metadata'],
  files: Required<Variant>,
): Readonly<Record<string, readonly Uint8Array[]>> {
  const weights = layoutWeights(storedTensors(stored), files.weights)
  const encoded = (graph: Graph): readonly Uint8Array[] => [encodeModel({ graph, metadata }, weights)]
  return {
    [files.encoder]: encoded(encoderGraph(flow, stored)),
    [files.decoder]: encoded(decoderGraph(flow, stored)),
    [files.inpainter!]: encoded(inpainterGraph(flow, stored)),
    [files.weights]: weights.chunks,
  }
}

/** A folder is written where there is none or an empty one; a bundle is replaced when that is asked for, and nothing else ever. */
async function assertReplaceableBundle(folder: string, overwrite: boolean): Promise<void> {
  if (!(await exists(folder))) return
  const files = await readdir(folder).catch(() => ['a file'])
  if (files.length === 0 || (overwrite && files.includes(manifestFile))) return
  const [state, remedy] = files.includes(manifestFile)
    ? ['holds a bundle already', 'give another --out, or --overwrite it']
    : ['exists and is no bundle', 'give another --out']
  throw new WriteError(`folder ${folder}: ${state}`, { remedy, usage: true })
}

/**
 * Adds to a bundle what was found out later: figures, and files to look at. A crash on the way leaves a bundle whose checksums hold: while
 * files are replaced the manifest does not list them.
 * @returns the new manifest
 */
export async function amendBundle(
  folder: string,
  changes: Partial<Pick<Manifest, 'evaluation' | 'calibration' | 'storageCost'>>,
  attachments: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<Manifest> {
  const path = join(folder, manifestFile)
  const manifest = parseManifest(await readFile(path, 'utf8'), path)
  const contents = Object.entries(attachments).map(
    ([file, content]) => [file, typeof content === 'string' ? Buffer.from(content) : content] as const,
  )
  const kept = Object.fromEntries(Object.entries(manifest.files).filter(([file]) => !Object.hasOwn(attachments, file)))
  if (contents.length > 0) await writeAtomic(path, formatManifest({ ...manifest, files: kept }))
  for (const [file, content] of contents) await writeAtomic(join(folder, file), content)
  const added = Object.fromEntries(contents.map(([file, content]) => [file, digest([content])]))
  const amended = { ...manifest, ...changes, files: { ...kept, ...added } }
  await writeAtomic(path, formatManifest(amended))
  return amended
}

/** Lists of numbers are lines of their own. (A text cannot be taken for one: JSON has no line breaks inside texts.) */
function formatManifest(manifest: Manifest): string {
  const json = JSON.stringify(manifest, null, 2)
  return `${json.replace(/\[\n[-+.,\deE\s]+\]/g, (list) => `[${list.slice(1, -1).trim().replace(/\s+/g, ' ')}]`)}\n`
}

type Digest = Manifest['files'][string]

function digest(chunks: readonly Uint8Array[]): Digest {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return { bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0), sha256: hash.digest('hex') }
}
