import { dequantize, type Manifest, type StorageType, type Tensor, tensor } from '@niceflow/core'
import type { Dataset, SplitName } from '@niceflow/data'
import { writePng } from '@niceflow/formats'
import { imageGrid, tablePicture } from '@niceflow/report'
import { type Device, type Flow, filesOf } from '@niceflow/runtime'
import { type LoadOptions, loadFlow } from '@niceflow/runtime-node'
import { recipeOf, runSamples, runTable, selectFor, type Verification, verifyBundle } from '@niceflow/trainer'
import { deviceOptions, type FlowFlags, warnOfIdleFlag } from './flags.ts'
import { countProgress } from './progress.ts'
import { megabytes, number, table } from './text.ts'

/** Loads a bundle's flow for as long as `use` takes. */
export async function withFlow<T>(
  bundle: string,
  { dtype, graphs, ...device }: FlowFlags & Pick<LoadOptions, 'graphs'>,
  use: (flow: Flow) => Promise<T>,
): Promise<T> {
  const flow = await loadFlow(bundle, { ...deviceOptions(device), ...(dtype && { dtype }), ...(graphs && { graphs }) })
  warnOfIdleFlag(device, flow.device)
  try {
    return await use(flow)
  } finally {
    await flow.dispose()
  }
}

/** The pictures of samples beside a bundle, as beside a run. */
export const samplesFiles: { readonly images: string; readonly numbers: string } = { images: runSamples, numbers: runTable }

/** What the columns of a model are called: by their numbers, from 1, where they have no names. */
export function columnNames(dim: number, columns: readonly string[] | undefined): readonly string[] {
  return columns ?? Array.from({ length: dim }, (_, d) => String(d + 1))
}

/** A picture of what a model draws, as a PNG file; undefined where it draws none. */
export async function drawSamples(flow: Flow, count = 64): Promise<Uint8Array | undefined> {
  const { imageShape: shape, dataRange: range } = flow.manifest.model
  if (shape === null) return undefined
  const { data } = await flow.sample(count, { seed: 0 })
  return writePng(imageGrid(data, { shape, range }))
}

/** Samples of a model as a file to look at. */
export type SamplesPicture = { readonly file: string; readonly content: Uint8Array | string }

/** How many examples a picture of a table is made of. */
const pictured = 1000

/** What a model draws: a grid of images; of numbers, how the columns are distributed, beside those of its data where they are at hand. */
export async function pictureSamples(flow: Flow, dataset: Dataset | undefined): Promise<SamplesPicture> {
  const grid = await drawSamples(flow)
  if (grid) return { file: samplesFiles.images, content: grid }
  const { columns, dataRange: range } = flow.manifest.model
  const tables = [{ name: 'samples', rows: await flow.sample(pictured, { seed: 0 }) }]
  if (dataset) {
    const examples = dataset.test.dims[0]! > 0 ? dataset.test : dataset.train
    const indices = Uint32Array.from({ length: Math.min(pictured, examples.dims[0]!) }, (_, i) => i)
    const x = dequantize(examples, indices, { seed: 0, draw: 0, range })
    tables.unshift({ name: 'data', rows: tensor('float32', [indices.length, flow.dim], x) })
  }
  const title = dataset ? `${flow.manifest.name}: data beside samples` : `${flow.manifest.name}: samples`
  return { file: samplesFiles.numbers, content: tablePicture({ title, columns: columnNames(flow.dim, columns), tables }) }
}

/** The split that a model was not fitted to: what its run held out, else the test split. */
export function heldOutSplit(manifest: Manifest): SplitName {
  return recipeOf(manifest).training.validation > 0 ? 'validation' : 'test'
}

/** The variants of a bundle, its default first. */
export function storedIn({ dtype, variants }: Manifest): readonly StorageType[] {
  return [...new Set([dtype, ...(Object.keys(variants) as StorageType[])])]
}

/** How many examples an export is verified on. */
export const verifiedExamples = 32

/** What a variant was verified on, where it ran, and what was found. */
export type Verified = Verification & { readonly on: string; readonly device: Device }

export type VerifyOptions = FlowFlags & Pick<LoadOptions, 'graphs'> & { readonly dataset: Dataset | undefined; readonly count: number }

/** Verifies variants of a bundle on held-out examples of a dataset, or on samples of their own where there is none. */
export async function verifyVariants(
  folder: string,
  dtypes: readonly StorageType[],
  { dataset, count, ...device }: VerifyOptions,
): Promise<readonly Verified[]> {
  const found: Verified[] = []
  for (const dtype of dtypes) {
    found.push(
      await withFlow(folder, { ...device, dtype }, async (flow) => {
        const { x, on } = dataset ? heldOutExamples(flow, dataset, count) : { x: await flow.sample(count), on: 'samples of its own' }
        return { on, device: flow.device, ...(await verifyBundle(folder, flow, x, countProgress(`verifying ${dtype}: example`))) }
      }),
    )
  }
  return found
}

function heldOutExamples({ manifest }: Flow, dataset: Dataset, count: number): { readonly x: Tensor<'float32'>; readonly on: string } {
  const own = dataset.sha256 === manifest.provenance.datasetSha256
  const split = own ? heldOutSplit(manifest) : 'test'
  const { examples, indices } = selectFor(manifest, dataset, split)
  const taken = indices.subarray(0, count)
  const { dim, dataRange: range, dequantization } = manifest.model
  return {
    x: tensor('float32', [taken.length, dim], dequantize(examples, taken, { seed: 0, draw: 0, range, dequantization })),
    on: `${split} examples of ${dataset.name}`,
  }
}

/** The figures of a verification, each beside its bound. */
export function verificationText(verified: readonly Verified[]): string {
  const { on, files, examples } = verified[0]!
  const figures = verified.flatMap(({ dtype, roundTrip, float64, inpainter }) =>
    [
      ['max |decode(encode(x)) - x|', roundTrip.max, roundTrip.tolerance] as const,
      ['mean log-likelihood against float64, nats', float64.mean, float64.meanTolerance] as const,
      ['any log-likelihood against float64, nats', float64.max, float64.maxTolerance] as const,
      ...(inpainter ? [["inpainter's steps against float64, relative", inpainter.distance, inpainter.tolerance] as const] : []),
    ].map(([what, found, bound]) => [`  ${dtype}`, what, found.toExponential(2), `at most ${Number(bound.toPrecision(2))}`]),
  )
  return `verified: SHA-256 of ${files} files; on ${number(examples)} ${on}:\n${table(figures, [1])}`
}

/** For each variant of a bundle: its name, the bytes of its files, and the nats that storing its weights so costs. */
export function storageRows({ variants, files, storageCost }: Manifest): string[][] {
  return Object.entries(variants).map(([dtype, variant]) => {
    const bytes = filesOf(variant!).reduce((sum, file) => sum + files[file]!.bytes, 0)
    const cost = storageCost?.nats[dtype as StorageType]
    return [dtype, megabytes(bytes), cost ? `${number(cost.mean, 4)} ± ${number(cost.standardError, 4)}` : '-']
  })
}
