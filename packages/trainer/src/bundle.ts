import { createHash } from 'node:crypto'
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { type Manifest, manifestVersion, NiceflowError, parseManifest } from '@niceflow/core'
import { decoderGraph, encoderGraph, graphMetadata, nice } from '@niceflow/flow'
import { encodeModel, layoutWeights } from '@niceflow/graph'
import { ensureFolder, exists, temporaryName, WriteError, writeAtomic, writeError } from './files.ts'
import type { Run } from './train.ts'
import { versions } from './versions.ts'

/** The files of a bundle in its default storage type. */
const files = { encoder: 'encoder.onnx', decoder: 'decoder.onnx', weights: 'weights.bin' } as const
export const manifestFile = 'flow.json'

export type ExportOptions = {
  /** @default the folder's name */
  readonly name?: string
  /** Replace a bundle that is there already. */
  readonly overwrite?: boolean
}

/**
 * Writes a run's best parameters as a bundle: encoder and decoder graphs, the one file of weights that both refer to, and the manifest. The
 * folder appears whole: it is written under another name first.
 * @returns the manifest
 * @throws WriteError when the folder exists, holds something that is no bundle, or cannot be written
 */
export async function exportBundle(
  { state, parameters }: Run,
  folder: string,
  { name = basename(resolve(folder)), overwrite = false }: ExportOptions = {},
): Promise<Manifest> {
  await ensureFolder(dirname(resolve(folder)))
  await assertReplaceable(folder, overwrite)
  const flow = nice(state.recipe.flow)
  const metadata = graphMetadata(flow, state.data.pixels)
  const weights = layoutWeights(parameters, files.weights)
  const written: Readonly<Record<string, readonly Uint8Array[]>> = {
    [files.encoder]: [encodeModel({ graph: encoderGraph(flow, parameters), metadata }, weights)],
    [files.decoder]: [encodeModel({ graph: decoderGraph(flow, parameters), metadata }, weights)],
    [files.weights]: weights.chunks,
  }
  const { dim, prior, dataRange } = flow.config
  const manifest: Manifest = {
    formatVersion: manifestVersion,
    name,
    model: { dim, prior, dataRange, pixels: state.data.pixels, imageShape: state.data.imageShape },
    config: flow.config,
    dtype: 'fp32',
    variants: { fp32: files },
    files: Object.fromEntries(Object.entries(written).map(([file, chunks]) => [file, digest(chunks)])),
    provenance: {
      seed: state.recipe.training.seed,
      dataset: state.data.name,
      datasetSha256: state.data.sha256,
      trainingExamples: state.data.count - state.recipe.training.validation,
      epochs: state.best.epoch,
      steps: (state.step / state.epoch) * state.best.epoch,
      engine: state.engine,
      versions: await versions(),
      training: state.recipe.training,
    },
    evaluation: null,
    calibration: null,
  }
  const partial = temporaryName(resolve(folder))
  try {
    await ensureFolder(partial)
    for (const [file, chunks] of Object.entries(written)) await writeAtomic(join(partial, file), chunks)
    await writeAtomic(join(partial, manifestFile), formatManifest(manifest))
    await replaceFolder(partial, folder)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    throw NiceflowError.is(error) ? error : writeError('folder', folder, error as NodeJS.ErrnoException)
  }
  return manifest
}

/** Puts a folder in another's place. The old one is there until the new one is. */
async function replaceFolder(fresh: string, folder: string): Promise<void> {
  const old = `${fresh}.old`
  if (await exists(folder)) await rename(folder, old)
  await rename(fresh, folder)
  await rm(old, { recursive: true, force: true })
}

/** A folder is written where there is none or an empty one; a bundle is replaced when that is asked for, and nothing else ever. */
async function assertReplaceable(folder: string, overwrite: boolean): Promise<void> {
  if (!(await exists(folder))) return
  const files = await readdir(folder).catch(() => ['a file'])
  if (files.length === 0 || (overwrite && files.includes(manifestFile))) return
  const [state, remedy] = files.includes(manifestFile)
    ? ['holds a bundle already', 'give another --out, or --overwrite it']
    : ['exists and is no bundle', 'give another --out']
  throw new WriteError(`folder ${folder}: ${state}`, { remedy, usage: true })
}

/**
 * Adds to a bundle what was found out later: figures, and files to look at.
 * @returns the new manifest
 */
export async function amendBundle(
  folder: string,
  changes: Partial<Pick<Manifest, 'evaluation' | 'calibration'>>,
  attachments: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<Manifest> {
  const path = join(folder, manifestFile)
  const manifest = parseManifest(await readFile(path, 'utf8'), path)
  const contents = Object.entries(attachments).map(
    ([file, content]) => [file, typeof content === 'string' ? Buffer.from(content) : content] as const,
  )
  for (const [file, content] of contents) await writeAtomic(join(folder, file), content)
  const amended = {
    ...manifest,
    ...changes,
    files: { ...manifest.files, ...Object.fromEntries(contents.map(([file, content]) => [file, digest([content])])) },
  }
  await writeAtomic(path, formatManifest(amended))
  return amended
}

function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`
}

function digest(chunks: readonly Uint8Array[]): { bytes: number; sha256: string } {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return { bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0), sha256: hash.digest('hex') }
}
