import { readBundle } from '@niceflow/runtime-node'
import { type Target, writeTarget } from '@niceflow/trainer'
import { type Verified, verificationText, verifiedExamples, verifyVariants } from './bundle.ts'
import type { Answer } from './command.ts'
import { ownDataset } from './dataset.ts'
import type { SingleFileFlags } from './single-file.ts'
import { oneOf, withBundle } from './source.ts'
import { megabytes, shellWord, table } from './text.ts'

export type TargetFlags = Omit<SingleFileFlags, 'graph'> & { readonly target: Target }

/** How each engine is told of what was written. */
const nextSteps: Readonly<Record<Target, (out: string) => string>> = {
  triton: (out) => `tritonserver --model-repository=${out}`,
  kserve: (out) => `kubectl apply -f ${out}/inference-service.yaml, once its storageUri holds ${out}/models`,
  ray: (out) => `python ${out}/score.py INPUT OUTPUT`,
}

/**
 * Writes a run or a bundle as the files of another engine. Before their folder takes its name the graphs stand in for the bundle's own, and the
 * bundle is verified with them.
 */
export async function exportTarget({ source, target, out, name, dtype: dtypes, overwrite, ...flags }: TargetFlags): Promise<Answer> {
  const stored = oneOf(dtypes, `an export to ${target}`)
  return withBundle(source, { name, dtype: stored }, async (bundle) => {
    const { manifest, dtype } = await readBundle(bundle, { verify: false, ...(stored && { dtype: stored }) })
    const { dataDir, ...device } = flags
    const dataset = await ownDataset(manifest, dataDir)
    let verified: readonly Verified[] = []
    const files = await writeTarget(bundle, out, {
      target,
      dtype,
      overwrite,
      check: async (graphs) => {
        verified = await verifyVariants(bundle, [dtype], { ...device, dataset, count: verifiedExamples, graphs })
      },
    })
    const sizes = Object.entries(files).map(([path, bytes]) => [`  ${path}`, bytes < 1e5 ? `${bytes} bytes` : megabytes(bytes)])
    return {
      json: { out, target, name: manifest.name, dtype, files, verification: verified[0], device: verified[0]!.device },
      text: `${verificationText(verified)}\n${target}, ${dtype}: ${out}\n${table(sizes)}\nnext: ${nextSteps[target](shellWord(out))}`,
    }
  })
}
