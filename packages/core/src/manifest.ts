import * as z from 'zod/mini'
import { type Dequantization, dequantizations } from './dequantize.ts'
import type { Quantiles } from './empirical.ts'
import { NiceflowError } from './error.ts'
import type { ImageShape } from './image-shape.ts'
import type { DataRange } from './likelihood.ts'
import { sizeOf } from './tensor.ts'

/** The newest `flow.json` that this version reads and the one that it writes. */
export const manifestVersion = 1

export const graphNames = ['encoder', 'decoder', 'inpainter'] as const
/**
 * A graph of a bundle. Ports: encoder `x` -> `z`, `log_likelihood`; decoder `z` -> `x`; inpainter, which bundles of older versions lack, as
 * `inpainterGraph` of `@niceflow/flow` says.
 */
export type GraphName = (typeof graphNames)[number]

export const storageTypes = ['fp32', 'fp16', 'q8'] as const
/** How a bundle stores its weights; arithmetic is float32 whatever it says. */
export type StorageType = (typeof storageTypes)[number]

/** The file of each graph and the one that holds the weights they share. */
export type Variant = { readonly [G in Exclude<GraphName, 'inpainter'>]: string } & {
  readonly inpainter?: string | undefined
  readonly weights: string
}

/** What a runtime must know of the model; shapes are per example. */
export type ModelFacts = {
  readonly dim: number
  readonly prior: 'logistic' | 'gaussian'
  /** The range on which `x` lives and on which the likelihood is a density. */
  readonly dataRange: DataRange
  /** True where `x` is made of 8-bit pixels. */
  readonly pixels: boolean
  /** How, where it is not the paper's low + (pixel + u) * cell width. */
  readonly dequantization?: Dequantization | undefined
  /** Of the image that `x` is, where it is one. */
  readonly imageShape: ImageShape | null
  /** What the dimensions are called, where the data name them: the columns of a table. */
  readonly columns?: readonly string[] | undefined
  /** s [dim] of z = exp(s) h: latent d spreads over exp(-s_d) times the prior's scale. Absent in bundles of older versions. */
  readonly logScale?: readonly number[] | undefined
}

/** Whether a model is one of numbers as they are, in the units of whoever measured them, and so has no range or cells of pixels. */
export function isTable({ pixels, imageShape }: Pick<ModelFacts, 'pixels' | 'imageShape'>): boolean {
  return !pixels && imageShape === null
}

/** How a user's files were read: what makes the same examples of them again. */
export type Preparation = {
  /** Images were scaled to this size. */
  readonly resize?: readonly [width: number, height: number] | undefined
  /** Colours became grey levels. */
  readonly grey?: boolean | undefined
  /** The columns of a table that were taken, by name or by number from 1. */
  readonly columns?: readonly string[] | undefined
  /** The share of the examples that became the test split, where the files had none. */
  readonly testFraction?: number | undefined
}

/** A file of weights that another program trained. */
export type Imported = { readonly format: string; readonly sha256: string }

/** Where a model comes from: enough to train it again. */
export type Provenance = {
  readonly seed: number
  /** A name of the catalogue, or the path of a user's files. */
  readonly dataset: string
  readonly datasetSha256: string
  readonly preparation?: Preparation | undefined
  readonly trainingExamples: number
  readonly epochs: number
  readonly steps: number
  readonly engine: string
  /** What it was before the epochs that are counted here; absent where it began with them. */
  readonly imported?: Imported | undefined
  readonly versions: Readonly<Record<string, string>>
  /** How it was fitted, as `@niceflow/trainer` validates it. */
  readonly training?: unknown
}

/** A log-likelihood measured on a split, in nats on the data range. */
export type Evaluation = {
  readonly split: string
  readonly examples: number
  readonly draws: number
  readonly seed: number
  readonly logLikelihood: { readonly mean: number; readonly standardError: number }
  /** Null where the data are not pixels. */
  readonly bitsPerDim: number | null
}

/** A straight line. */
export type Line = { readonly intercept: number; readonly slope: number }

/** How likelihoods of held-out examples go with the size of their lossless codes, in bits. */
export type SizeCalibration = {
  /** Of the sizes. */
  readonly bits: Quantiles
  /** Of the bits under the model less the size. */
  readonly excess: Quantiles
  /** The nats that examples of a size have in mean, by ln(1 + bits). */
  readonly expected: Line
  /** The log of how far they stray from it, in nats, by the same. */
  readonly spread: Line
  /** Of (nats - expected) / exp(spread). */
  readonly deviation: Quantiles
  /** Of the rarity of likelihood and size together. */
  readonly rarity: Quantiles
}

/** What held-out examples score: quantiles of their nats, with one draw each. */
export type Calibration = {
  readonly split: string
  readonly examples: number
  readonly quantiles: Quantiles
  /** Absent where the data are not pixels, and in bundles of older versions. */
  readonly bySize?: SizeCalibration | undefined
}

/**
 * What storing the weights of a run costs: the nats of log-likelihood that held-out examples lose against its own float32 parameters, in mean,
 * with the standard error of the paired differences.
 */
export type StorageCost = {
  readonly split: string
  readonly examples: number
  readonly nats: { readonly [D in StorageType]?: { readonly mean: number; readonly standardError: number } | undefined }
}

/** The contents of a bundle's `flow.json`. */
export type Manifest = {
  readonly formatVersion: typeof manifestVersion
  readonly name: string
  readonly model: ModelFacts
  /** The flow's configuration, as `@niceflow/flow` validates it. */
  readonly config: unknown
  /** The storage type of the files that have no suffix. */
  readonly dtype: StorageType
  readonly variants: { readonly [D in StorageType]?: Variant | undefined }
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>
  readonly provenance: Provenance
  readonly evaluation: Evaluation | null
  readonly calibration: Calibration | null
  /** Absent where no held-out examples were at hand, and in bundles of older versions. */
  readonly storageCost?: StorageCost | undefined
}

const finite = z.number()
const count = z.int().check(z.positive())
const pair = z.tuple([finite, finite])
const fileName = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected a plain file name inside the bundle folder'))
const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits'))
const distribution = z.array(pair).check(z.minLength(2))
const line = z.object({ intercept: finite, slope: finite })
const estimate = z.object({ mean: finite, standardError: finite })
const storage = z.enum(storageTypes)

/** What a manifest and a checkpoint may say of `imageShape`; null is for data that are no images. */
export const imageShapeSchema: z.ZodMiniType<ImageShape | null> = z.nullable(
  z.union([z.tuple([count, count]), z.tuple([count, count, z.literal(3)])], 'expected [rows, columns], [rows, columns, 3] or null'),
)

const schema: z.ZodMiniType<Manifest> = z.object({
  formatVersion: z.literal(manifestVersion),
  name: z.string(),
  model: z
    .object({
      dim: count,
      prior: z.enum(['logistic', 'gaussian']),
      dataRange: pair,
      pixels: z.boolean(),
      dequantization: z.optional(z.enum(dequantizations)),
      imageShape: imageShapeSchema,
      columns: z.optional(z.array(z.string())),
      logScale: z.optional(z.array(finite)),
    })
    .check(
      z.refine(({ dim, imageShape }) => imageShape === null || sizeOf(imageShape) === dim, {
        path: ['imageShape'],
        error: 'expected as many numbers as dimensions',
      }),
      z.refine(({ dim, logScale }) => logScale === undefined || logScale.length === dim, {
        path: ['logScale'],
        error: 'expected one number for each dimension',
      }),
      z.refine(({ dim, columns }) => columns === undefined || columns.length === dim, {
        path: ['columns'],
        error: 'expected one name for each dimension',
      }),
    ),
  config: z.unknown(),
  dtype: storage,
  variants: z.partialRecord(
    storage,
    z.object({ encoder: fileName, decoder: fileName, inpainter: z.optional(fileName), weights: fileName }),
  ),
  files: z.record(fileName, z.object({ bytes: z.int().check(z.nonnegative()), sha256 })),
  provenance: z.object({
    seed: z.int(),
    dataset: z.string(),
    datasetSha256: sha256,
    preparation: z.optional(
      z.object({
        resize: z.optional(z.tuple([count, count])),
        grey: z.optional(z.boolean()),
        columns: z.optional(z.array(z.string())),
        testFraction: z.optional(finite),
      }),
    ),
    trainingExamples: count,
    epochs: z.int(),
    steps: z.int(),
    engine: z.string(),
    imported: z.optional(z.object({ format: z.string(), sha256 })),
    versions: z.record(z.string(), z.string()),
    training: z.optional(z.unknown()),
  }),
  evaluation: z.nullable(
    z.object({
      split: z.string(),
      examples: count,
      draws: count,
      seed: z.int(),
      logLikelihood: estimate,
      bitsPerDim: z.nullable(finite),
    }),
  ),
  calibration: z.nullable(
    z.object({
      split: z.string(),
      examples: count,
      quantiles: distribution,
      bySize: z.optional(
        z.object({
          bits: distribution,
          excess: distribution,
          expected: line,
          spread: line,
          deviation: distribution,
          rarity: distribution,
        }),
      ),
    }),
  ),
  storageCost: z.optional(z.object({ split: z.string(), examples: count, nats: z.partialRecord(storage, estimate) })),
})

export class InvalidManifestError extends NiceflowError {
  override readonly name = 'InvalidManifestError'
}

/**
 * Checks the contents of a bundle's `flow.json`.
 * @param source where it was read from, for the message
 * @throws InvalidManifestError naming the field at fault
 */
export function parseManifest(json: string, source: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw new InvalidManifestError(`${source}: not JSON: ${(cause as Error).message}`, { cause, remedy: 'export the bundle again' })
  }
  const version = (value as { formatVersion?: unknown } | null)?.formatVersion
  if (typeof version === 'number' && version > manifestVersion) {
    throw new InvalidManifestError(`${source}: format version ${version}, this niceflow reads up to ${manifestVersion}`, {
      remedy: 'update niceflow',
    })
  }
  const result = schema.safeParse(value)
  if (!result.success) {
    const issue = result.error.issues[0]!
    throw new InvalidManifestError(`${source}: ${issue.path.join('.') || 'manifest'}: ${issue.message}`, {
      remedy: 'export the bundle again',
    })
  }
  return result.data
}
