import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { parseManifest, type StorageType } from '@niceflow/core'
import { encodeModel, type Graph } from '@niceflow/graph'
import { type Bundle, readBundle } from '@niceflow/runtime-node'
import { metadataOf } from './bundle.ts'
import { manifestFile } from './bundle-source.ts'
import { WriteError, writeAtomic } from './files.ts'
import { readGraph } from './read-graph.ts'

/** The graphs that other apps embed. */
export const singleGraphs = ['encoder', 'decoder'] as const
export type SingleGraph = (typeof singleGraphs)[number]

export type SingleFileOptions = {
  readonly graph: SingleGraph
  /** Which of the bundle's variants; the manifest's default when left out. */
  readonly dtype?: StorageType | undefined
  /** Replace a file that is there already. */
  readonly overwrite?: boolean | undefined
  /** Looks at the file before it takes its name, and throws where it must not. */
  readonly check?: (temporary: string) => Promise<void>
}

/**
 * Writes one graph of a bundle as an ONNX file that needs nothing beside it: its weights inside, stored as in the bundle, and in its metadata
 * what else one must know to use it.
 * @param out the path of the file
 * @returns the bytes of the file
 * @throws WriteError where `out` must stay or cannot be written; ModelSizeError for more than protobuf holds; what `readBundle` and `check` throw
 */
export async function writeSingleFile(
  bundle: string,
  out: string,
  { graph: name, dtype: wanted, overwrite = false, check }: SingleFileOptions,
): Promise<number> {
  await assertReplaceableFile(out, overwrite)
  const { contents } = await encodeSingleFile(await readBundle(bundle, wanted && { dtype: wanted }), name)
  await writeAtomic(resolve(out), contents, check)
  return contents.length
}

/**
 * One graph of a bundle, and the bytes of a file that needs nothing beside it.
 * @throws ModelSizeError for more than protobuf holds
 */
export async function encodeSingleFile(
  { manifest, dtype, paths }: Bundle,
  name: SingleGraph,
): Promise<{ readonly graph: Graph; readonly contents: Uint8Array }> {
  const graph = await readGraph(paths[name], paths.weights)
  return { graph, contents: encodeModel({ graph, metadata: metadataOf(manifest, dtype) }) }
}

/**
 * A file is replaced when that is asked for, a folder and a file of a bundle never.
 * @throws WriteError (usage)
 */
export async function assertReplaceableFile(out: string, overwrite: boolean): Promise<void> {
  const there = await stat(out).catch(() => undefined)
  if (!there) return
  const refuse = (state: string, remedy: string): never => {
    throw new WriteError(`${out}: ${state}`, { remedy, usage: true })
  }
  if (!there.isFile()) refuse('is there and is no file', 'give another --out')
  if (!overwrite) refuse('is there already', 'give another --out, or --overwrite it')
  const beside = join(dirname(out), manifestFile)
  const manifest = await readFile(beside, 'utf8').catch(() => undefined)
  if (manifest !== undefined && Object.hasOwn(parseManifest(manifest, beside).files, basename(out))) {
    refuse(`is a file of the bundle ${dirname(out)}`, 'give another --out')
  }
}
