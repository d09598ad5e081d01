import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { InvalidValueError, type StorageType } from '@niceflow/core'
import type { Graph } from '@niceflow/graph'
import { readBundle } from '@niceflow/runtime-node'
import { ensureFolder, WriteError, writeAtomic } from './files.ts'
import { replaceFolder } from './replace.ts'
import { encodeSingleFile, type SingleGraph, singleGraphs } from './single-file.ts'
import { kserveManifest, kserveRepository, tritonConfig } from './target-texts.ts'

/** The engines whose files a bundle can be written as. */
export const targets = ['triton', 'kserve', 'ray'] as const
export type Target = (typeof targets)[number]

/** The paths of the graphs that a target has. */
export type TargetGraphs = { readonly [G in SingleGraph]?: string }

/** Where graphs go, their weights inside, and the texts beside them, by path. */
type Layout = {
  readonly graphs: TargetGraphs
  readonly texts: Readonly<Record<string, string>>
}

/** What the texts are made from. */
type Graphs = { readonly [G in SingleGraph]: { readonly graph: Graph } }

const layouts: Readonly<Record<Target, (name: string, models: Graphs) => Layout | Promise<Layout>>> = {
  triton: (name, models) => tritonRepository('.', name, models),
  kserve: (name, models) => {
    const { graphs, texts } = tritonRepository(kserveRepository, name, models)
    const names = singleGraphs.map((graph) => modelName(name, graph))
    return { graphs, texts: { ...texts, 'inference-service.yaml': kserveManifest(serviceName(name), names) } }
  },
  ray: async () => ({
    graphs: { encoder: 'encoder.onnx' },
    texts: { 'score.py': await readFile(new URL('../targets/score.py', import.meta.url), 'utf8') },
  }),
}

/** A served model is one graph of a bundle: `<name>_encoder`. */
const modelName = (name: string, graph: SingleGraph): string => `${name}_${graph}`

function tritonRepository(folder: string, name: string, models: Graphs): Layout {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw badName({ what: 'name of the models', expected: 'letters, digits, ".", "_" and "-"', got: name })
  }
  const path = (graph: SingleGraph, ...parts: string[]): string => join(folder, modelName(name, graph), ...parts)
  return {
    graphs: Object.fromEntries(singleGraphs.map((graph) => [graph, path(graph, '1', 'model.onnx')])),
    texts: Object.fromEntries(
      singleGraphs.map((graph) => [path(graph, 'config.pbtxt'), tritonConfig(modelName(name, graph), models[graph].graph)]),
    ),
  }
}

/** The name as Kubernetes takes one: a DNS label of RFC 1035. */
function serviceName(name: string): string {
  const label = name.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  if (/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(label)) return label
  throw badName({ what: 'name of the service', expected: 'a letter, then at most 62 letters, digits and "-"', got: label })
}

const badName = (fault: { what: string; expected: string; got: string }): InvalidValueError =>
  new InvalidValueError({ ...fault, remedy: 'export the model as a bundle of another --name first', usage: true })

export type TargetOptions = {
  readonly target: Target
  /** Which of the bundle's variants; the manifest's default when left out. */
  readonly dtype?: StorageType | undefined
  /** Replace what an earlier export to the same engine wrote there. */
  readonly overwrite?: boolean | undefined
  /** Looks at the graphs before the folder takes its name, and throws where it must not. */
  readonly check?: (graphs: TargetGraphs) => Promise<void>
}

/**
 * Writes the graphs of a bundle as an engine runs them, with its own kind of configuration. The folder appears whole, or what was there stays.
 * @returns the bytes of each file, by its path in the folder
 * @throws WriteError where the folder holds anything but an earlier export; InvalidValueError for a name that the engine does not take;
 *   ModelSizeError for more than protobuf holds; what `readBundle` and `check` throw
 */
export async function writeTarget(
  bundle: string,
  out: string,
  { target, dtype, overwrite = false, check }: TargetOptions,
): Promise<Readonly<Record<string, number>>> {
  const read = await readBundle(bundle, dtype && { dtype })
  const encoded = { encoder: await encodeSingleFile(read, 'encoder'), decoder: await encodeSingleFile(read, 'decoder') }
  const { graphs, texts } = await layouts[target](read.manifest.name, encoded)
  const placed = Object.entries(graphs) as [SingleGraph, string][]
  const files: Readonly<Record<string, Uint8Array>> = Object.fromEntries([
    ...Object.entries(texts).map(([path, text]) => [path, Buffer.from(text)]),
    ...placed.map(([graph, path]) => [path, encoded[graph].contents]),
  ])
  await replaceFolder(
    out,
    () => assertReplaceableTarget(resolve(out), Object.keys(files), overwrite),
    async (draft) => {
      for (const [path, contents] of Object.entries(files)) {
        await ensureFolder(dirname(join(draft, path)))
        await writeAtomic(join(draft, path), contents)
      }
      await check?.(Object.fromEntries(placed.map(([graph, path]) => [graph, join(draft, path)])))
    },
  )
  return Object.fromEntries(Object.entries(files).map(([path, { length }]) => [path, length]))
}

/** Of a folder that is there, all files must be of names that are written anew: versions and models that others put beside them stay. */
async function assertReplaceableTarget(folder: string, files: readonly string[], overwrite: boolean): Promise<void> {
  const there = await stat(folder).catch(() => undefined)
  if (!there) return
  const refuse = (state: string, remedy = 'give another --out'): never => {
    throw new WriteError(`folder ${folder}: ${state}`, { remedy, usage: true })
  }
  if (!there.isDirectory()) refuse('is a file')
  const other = await firstOther(folder, files)
  if (other !== undefined) refuse(`holds ${other}, which is no file of this export`)
  if (!overwrite && (await readdir(folder)).length > 0) refuse('holds an export already', 'give another --out, or --overwrite it')
}

/** A path in a folder that is neither one of the files nor a folder above one. */
async function firstOther(folder: string, files: readonly string[], under = ''): Promise<string | undefined> {
  for (const entry of await readdir(join(folder, under), { withFileTypes: true })) {
    const path = join(under, entry.name)
    if (entry.isFile() && files.includes(path)) continue
    if (!entry.isDirectory() || !files.some((file) => file.startsWith(join(path, '/')))) return path
    const within = await firstOther(folder, files, path)
    if (within !== undefined) return within
  }
  return undefined
}
