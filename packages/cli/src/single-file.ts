import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, extname, join, resolve } from 'node:path'
import { InvalidValueError, type StorageType } from '@niceflow/core'
import { readBundle } from '@niceflow/runtime-node'
import { assertReplaceableFile, exists, exportBundle, manifestFile, readRun, type SingleGraph, writeSingleFile } from '@niceflow/trainer'
import { ownDataset, type Verified, verificationText, verifiedExamples, verifyVariants } from './bundle.ts'
import type { Answer } from './command.ts'
import type { DeviceFlags } from './flags.ts'
import { warn } from './progress.ts'
import { megabytes } from './text.ts'

export type SingleFileFlags = DeviceFlags & {
  readonly source: string
  readonly graph: SingleGraph
  readonly out: string
  readonly name?: string | undefined
  readonly dtype?: readonly StorageType[] | undefined
  readonly overwrite: boolean
  readonly dataDir?: string | undefined
}

/**
 * Writes one graph of a run or of a bundle with its weights inside. Before the file takes its name it stands in for the bundle's own graph, and
 * the bundle is verified with it.
 */
export async function exportSingleFile({ source, graph, out, name, dtype: dtypes, overwrite, ...flags }: SingleFileFlags): Promise<Answer> {
  if (extname(out).toLowerCase() !== '.onnx') {
    throw new InvalidValueError({ what: '--out of a single file', expected: 'a file ending in .onnx', got: out, usage: true })
  }
  if (dtypes !== undefined && dtypes.length !== 1) {
    throw new InvalidValueError({ what: '--dtype of a single file', expected: 'one', got: dtypes.join(','), usage: true })
  }
  await assertReplaceableFile(out, overwrite)
  return withBundle(source, { name, dtype: dtypes?.[0] }, async (bundle) => {
    const { manifest, dtype } = await readBundle(bundle, { verify: false, ...(dtypes && { dtype: dtypes[0]! }) })
    const { dataDir, ...device } = flags
    const dataset = await ownDataset(manifest.provenance.dataset, dataDir)
    let verified: readonly Verified[] = []
    const check = async (file: string): Promise<void> => {
      verified = await verifyVariants(bundle, [dtype], { ...device, dataset, count: verifiedExamples, graphs: { [graph]: file } })
    }
    const bytes = await writeSingleFile(bundle, out, { graph, dtype, overwrite, check })
    return {
      json: { out, graph, name: manifest.name, dtype, bytes, verification: verified[0], device: verified[0]!.device },
      text: `${verificationText(verified)}\n${graph}, ${dtype}, ${megabytes(bytes)}: ${out}`,
    }
  })
}

/** A bundle as it is; a run as a bundle of one storage type, for as long as `use` takes. */
async function withBundle<T>(
  source: string,
  { name, dtype = 'fp32' }: { readonly name?: string | undefined; readonly dtype?: StorageType | undefined },
  use: (bundle: string) => Promise<T>,
): Promise<T> {
  if (await exists(join(source, manifestFile))) {
    if (name === undefined) return use(source)
    throw new InvalidValueError({ what: '--name', expected: 'a run to name, as a bundle has its own', got: source, usage: true })
  }
  const run = await readRun(source, warn)
  const scratch = await mkdtemp(join(tmpdir(), 'niceflow-'))
  try {
    const bundle = join(scratch, 'bundle')
    await exportBundle(run, bundle, { name: name ?? basename(resolve(source)), dtypes: [dtype] })
    return await use(bundle)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
