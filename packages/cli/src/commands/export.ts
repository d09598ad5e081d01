import { rm } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { type Manifest, type StorageType, storageTypes } from '@niceflow/core'
import type { Dataset } from '@niceflow/data'
import {
  amendBundle,
  type BundleSource,
  calibrateOn,
  exportBundle,
  importFormats,
  readSource,
  replaceBundle,
  scoreSelection,
  selectFor,
  singleGraphs,
  storageCost,
  targets,
  writeBundle,
} from '@niceflow/trainer'
import {
  heldOutSplit,
  pictureSamples,
  storageRows,
  storedIn,
  verificationText,
  verifiedExamples,
  verifyVariants,
  withFlow,
} from '../bundle.ts'
import { type Answer, type Command, command } from '../command.ts'
import { ownDataset } from '../dataset.ts'
import { choicesFlag, type DeviceFlags, dataFlags, deviceFlags } from '../flags.ts'
import { cardFile, modelCard } from '../model-card.ts'
import { countProgress, warn } from '../progress.ts'
import { exportSingleFile } from '../single-file.ts'
import { exportStateDict } from '../state-dict.ts'
import { exportTarget } from '../target.ts'
import { number, table } from '../text.ts'

export const exportCommand: Command = command(
  (yargs) =>
    deviceFlags(dataFlags(yargs))
      .positional('source', { type: 'string', demandOption: true, describe: 'The folder of a run, or of a bundle to write anew' })
      .option('out', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe:
          'The folder of the bundle, or of the files of --target; the .onnx file, for --single-file; the .safetensors file, for --format',
      })
      .option('name', { type: 'string', requiresArg: true, describe: "The model's name", defaultDescription: "the folder's" })
      .option('dtype', {
        ...choicesFlag('dtype', storageTypes),
        describe: 'How weights are stored: fp32, fp16, q8, or several of them, the default first',
        defaultDescription: 'fp32 of a run, as they are of a bundle',
      })
      .option('single-file', {
        choices: singleGraphs,
        requiresArg: true,
        describe: 'Write this graph alone, its weights inside, for another app to embed',
      })
      .option('target', {
        choices: targets,
        requiresArg: true,
        describe: 'Write what this engine runs: a Triton model repository, one with a KServe manifest, or a Ray Data job',
      })
      .option('format', {
        choices: importFormats,
        requiresArg: true,
        describe: "Write the weights as PyTorch's masked NICE has them: a state dict, .safetensors",
      })
      .conflicts({ target: 'single-file', format: ['target', 'single-file'] })
      .option('overwrite', { type: 'boolean', default: false, describe: 'Replace what is there already' })
      .example('$0 export runs/mnist --out out/mnist', 'write it, verify it')
      .example('$0 export runs/mnist --out out/mnist --dtype fp32,fp16,q8', 'with smaller files beside it, and what each costs')
      .example('$0 export models/mnist-nice --out out/mnist', 'a bundle anew: the same weights, the graphs of this version')
      .example('$0 export out/mnist --single-file decoder --out decoder.onnx', 'a decoder for another app')
      .example('$0 export models/mnist-nice --format pytorch-nice --out nice.safetensors', 'weights for PyTorch')
      .example('$0 export models/mnist-nice --target triton --out repository', 'a model repository for Triton')
      .example('$0 export models/mnist-nice --target kserve --out service', 'the same, and the manifest of a KServe service')
      .example('$0 export models/mnist-nice --target ray --out job', 'a job that scores on a Ray cluster'),
  async ({ singleFile: graph, target, format, ...flags }) => {
    if (format !== undefined) return exportStateDict({ format, ...flags })
    if (target !== undefined) return exportTarget({ target, ...flags })
    if (graph !== undefined) return exportSingleFile({ graph, ...flags })
    const { source: folder, out, name = basename(resolve(out)), dtype, overwrite, dataDir, ...device } = flags
    const source = await readSource(folder, warn)
    const dataset = await ownDataset({ ...source, name, config: source.flow }, dataDir)
    const dtypes = dtype ?? source.dtypes
    const { calibration: known } = source.figures(dtypes)
    const measured = known !== null && (known.bySize !== undefined || !source.model.pixels)
    if (!dataset && !known) {
      warn(`no held-out examples of ${source.provenance.dataset} are to be had: no calibration, and no cost of stored weights`)
    }
    return replaceBundle(out, { overwrite }, async (draft): Promise<Answer> => {
      const written = await writeBundle(source, draft, { name, dtypes })
      const figures = dataset && !measured ? await measure(source, draft, written, dataset, device) : {}
      const samples = await withFlow(draft, device, (flow) => pictureSamples(flow, dataset))
      const card = modelCard({ ...written, ...figures })
      const manifest = await amendBundle(draft, figures, { [cardFile]: card, [samples.file]: samples.content })
      const variants = await verifyVariants(draft, storedIn(manifest), { ...device, dataset, count: verifiedExamples })
      const { calibration, storageCost: cost, files } = manifest
      return {
        json: {
          bundle: out,
          name,
          files,
          calibration,
          storageCost: cost ?? null,
          verification: { ...variants[0], variants },
          device: variants[0]!.device,
        },
        text: `${verificationText(variants)}\n${storageText(manifest)}\nbundle: ${out}`,
      }
    })
  },
)

/** What held-out examples score in each variant: the yardstick of the default, and what storing weights so costs, where float32 is at hand. */
async function measure(
  source: BundleSource,
  draft: string,
  manifest: Manifest,
  dataset: Dataset,
  device: DeviceFlags,
): Promise<Pick<Manifest, 'calibration' | 'storageCost'>> {
  const split = heldOutSplit(manifest)
  const selection = selectFor(manifest, dataset, split)
  const scoresOf = (bundle: string, dtype: StorageType): Promise<Float64Array> =>
    withFlow(bundle, { ...device, dtype }, (flow) =>
      scoreSelection(flow, selection, { onProgress: countProgress(`scoring ${split}, ${dtype}: example`) }),
    )
  const scores: Partial<Record<StorageType, Float64Array>> = {}
  for (const dtype of storedIn(manifest)) scores[dtype] = await scoresOf(draft, dtype)
  const calibration = calibrateOn(manifest.model, split, selection, scores[manifest.dtype]!)
  if (!source.exact) return { calibration }
  const exact = scores.fp32 ?? (await inFloat32(source, draft, (bundle) => scoresOf(bundle, 'fp32')))
  return { calibration, storageCost: storageCost(split, exact, scores) }
}

/** Lends a bundle of the source's float32 parameters, for a bundle that does not have them. */
async function inFloat32<T>(source: BundleSource, draft: string, use: (bundle: string) => Promise<T>): Promise<T> {
  const bundle = join(draft, 'float32')
  try {
    await exportBundle(source, bundle, { dtypes: ['fp32'] })
    return await use(bundle)
  } finally {
    await rm(bundle, { recursive: true, force: true })
  }
}

function storageText(manifest: Manifest): string {
  const cost = manifest.storageCost
  const measured = cost ? `, and the nats that ${number(cost.examples)} ${cost.split} examples lose by it in mean` : ''
  const rows = storageRows(manifest).map(([dtype, ...rest]) => [`  ${dtype}`, ...rest])
  return `stored as${measured}:\n${table(rows)}`
}
