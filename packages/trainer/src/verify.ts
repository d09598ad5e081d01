import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { isTable, type ModelFacts, NiceflowError, rows, type StorageType, type Tensor } from '@niceflow/core'
import type { FlowConfig } from '@niceflow/flow'
import { evaluate } from '@niceflow/graph'
import type { Flow } from '@niceflow/runtime'
import { type NodeDevice, readBundle } from '@niceflow/runtime-node'
import { recipeOf } from './config.ts'
import { readGraph } from './read-graph.ts'
import { checkInpainter, type InpainterFacts } from './verify-inpainter.ts'

/** `mean` is of so many examples. */
type Tolerances = {
  readonly roundTrip: number
  readonly mean: (examples: number) => number
  readonly any: number
  readonly inpainter: number
}

/**
 * Round trips through float32 graphs: scales up to 1,600 turn rounding of latents into 1e-5 of a pixel. Log-likelihoods: sums of 784 float32
 * terms of a few nats each, against float64. The inpainter's steps of a hundredth of the range: gradients of float32, rounded to its pixels.
 */
const smooth: Tolerances = { roundTrip: 1e-4, mean: () => 1e-2, any: 5e-2, inpainter: 1e-3 }

/**
 * A light bin has a ten-thousandth of the float32 numbers of [0, 1], each 1e-3 of the bin. A density of bins jumps at their edges: where rounding
 * takes a value across one, a term changes by the logarithm of the ratio of two masses, 9 nats at most and either way, in a few images of a
 * hundred: the mean of n images, then, by some 2 / sqrt(n). A gradient jumps there as well.
 */
const stepped: Tolerances = { roundTrip: 1e-3, mean: (examples) => Math.min(0.5, 3 / Math.sqrt(examples)), any: 10, inpainter: 0.5 }

/**
 * A spline's bin may be a thousandth of its interval, and so a thousand times as steep as the identity: rounding of 1e-7 comes out as 1e-4, and
 * moves the logarithm of a slope that bends within such a bin. Densities do not jump, so the mean is good; their gradients do, from bin to bin.
 */
const bent: Tolerances = { roundTrip: 1e-3, mean: () => 1e-2, any: 0.5, inpainter: 0.5 }

const tolerances: Readonly<Record<FlowConfig['law'], Tolerances>> = {
  additive: smooth,
  multiplicative: smooth,
  affine: smooth,
  histogram: stepped,
  spline: bent,
}

/** Rows interpreted at once: float64 activations of the largest graphs stay within some megabytes. */
const chunk = 50

/** A bundle whose graphs do not do what they must. */
export class VerificationError extends NiceflowError {
  override readonly name = 'VerificationError'
}

/** What was found, each beside its bound. */
export type Verification = {
  /** Whose graphs were run; the files are all of the bundle. */
  readonly dtype: StorageType
  readonly files: number
  readonly examples: number
  /** max |decode(encode(x)) - x|; of a table, relative to the largest value of the column, whatever its unit. */
  readonly roundTrip: { readonly max: number; readonly tolerance: number }
  /** Log-likelihoods against the exported encoder interpreted in float64, nats: the difference of the means and the largest of any example. */
  readonly float64: { readonly mean: number; readonly meanTolerance: number; readonly max: number; readonly maxTolerance: number }
  /**
   * Steps of the inpainter against the exported file interpreted in float64, relative to the longest way that a pixel went; and how many observed
   * pixels it changed, which is none. Null where the bundle has no inpainter.
   */
  readonly inpainter: (InpainterFacts & { readonly tolerance: number }) | null
}

/**
 * Proves a bundle and one of its variants: the checksum of every file, the round trip, and the runtime's scores against the exported file
 * interpreted in float64.
 * @param flow the bundle, loaded in the variant
 * @param x examples on the data range, float32 [n, dim]
 * @throws InvalidBundleError for a graph or weights that changed; VerificationError for any other file that did, or a figure beyond its bound
 */
export async function verifyBundle(
  folder: string,
  flow: Flow,
  x: Tensor<'float32'>,
  onProgress?: (done: number, total: number) => void,
): Promise<Verification> {
  const { dtype } = flow
  const { manifest, paths } = await readBundle(folder, { dtype })
  for (const [file, { sha256 }] of Object.entries(manifest.files)) await assertDigest(join(folder, file), sha256)

  const { z, logLikelihood } = await flow.encode(x)
  const back = await flow.decode(z)
  const units = unitsOf(x, manifest.model)
  const roundTrip = back.data.reduce((most, value, i) => Math.max(most, Math.abs(value - x.data[i]!) / units[i % units.length]!), 0)

  const graph = await readGraph(paths.encoder, paths.weights)
  const count = x.dims[0]!
  let sum = 0
  let max = 0
  for (let start = 0; start < count; start += chunk) {
    const end = Math.min(start + chunk, count)
    const reference = evaluate(graph, { x: rows(x, start, end) }).log_likelihood!.data
    for (let i = start; i < end; i++) {
      const difference = logLikelihood[i]! - reference[i - start]!
      sum += difference
      max = Math.max(max, Math.abs(difference))
    }
    onProgress?.(end, count)
  }
  const bounds = tolerances[recipeOf(manifest).flow.law]
  const inpainter = await checkInpainter(folder, { dtype, device: flow.device as NodeDevice }, x)
  const found: Verification = {
    dtype,
    files: Object.keys(manifest.files).length,
    examples: count,
    roundTrip: { max: roundTrip, tolerance: bounds.roundTrip },
    float64: { mean: Math.abs(sum / count), meanTolerance: bounds.mean(count), max, maxTolerance: bounds.any },
    inpainter: inpainter ? { ...inpainter, tolerance: bounds.inpainter } : null,
  }
  const what = `${folder}, ${dtype}`
  assertWithin(what, 'round trip max |decode(encode(x)) - x|', roundTrip, bounds.roundTrip)
  assertWithin(what, 'mean log-likelihood against float64', found.float64.mean, bounds.mean(count))
  assertWithin(what, "an example's log-likelihood against float64", max, bounds.any)
  if (inpainter) {
    assertWithin(what, 'observed pixels that the inpainter changes', inpainter.changed, 0)
    assertWithin(what, "the inpainter's steps against float64, relative", inpainter.distance, bounds.inpainter)
  }
  return found
}

/** What a round trip of each dimension is measured in: the data range is one of order 1, and columns of a table are of any. */
function unitsOf({ dims, data }: Tensor<'float32'>, model: ModelFacts): Float64Array {
  const [count, dim] = dims as [number, number]
  return Float64Array.from({ length: dim }, (_, d) => {
    let most = 0
    for (let row = 0; row < count; row++) most = Math.max(most, Math.abs(data[row * dim + d]!))
    return isTable(model) && most > 0 ? most : 1
  })
}

function assertWithin(where: string, what: string, value: number, tolerance: number): void {
  if (value <= tolerance) return
  throw new VerificationError(`${where}: ${what}: expected at most ${tolerance}, got ${value}`, {
    remedy: 'export the bundle again; if it persists, train with a smaller scale or --weight-decay',
  })
}

async function assertDigest(path: string, expected: string): Promise<void> {
  const hash = createHash('sha256')
  try {
    for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array)
  } catch (cause) {
    throw new VerificationError(`${path}: cannot be read: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
      remedy: 'export the bundle again',
    })
  }
  const got = hash.digest('hex')
  if (got !== expected)
    throw new VerificationError(`${path}: expected SHA-256 ${expected}, got ${got}`, { remedy: 'export the bundle again' })
}
