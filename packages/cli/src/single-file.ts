import { extname } from 'node:path'
import { InvalidValueError, type StorageType } from '@niceflow/core'
import { readBundle } from '@niceflow/runtime-node'
import { assertReplaceableFile, type SingleGraph, writeSingleFile } from '@niceflow/trainer'
import { type Verified, verificationText, verifiedExamples, verifyVariants } from './bundle.ts'
import type { Answer } from './command.ts'
import { ownDataset } from './dataset.ts'
import type { DeviceFlags } from './flags.ts'
import { oneOf, withBundle } from './source.ts'
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
  const stored = oneOf(dtypes, 'a single file')
  await assertReplaceableFile(out, overwrite)
  return withBundle(source, { name, dtype: stored }, async (bundle) => {
    const { manifest, dtype } = await readBundle(bundle, { verify: false, ...(stored && { dtype: stored }) })
    const { dataDir, ...device } = flags
    const dataset = await ownDataset(manifest, dataDir)
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
