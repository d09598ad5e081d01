import { InvalidValueError, quantiles, type Tensor, tensor } from '@niceflow/core'
import { assertDimensions, assertInteger, assertTemperature } from './check.ts'
import type { DequantizationKey, Examples } from './examples.ts'
import type { Explored, Flow } from './flow.ts'

/** The quantiles that a sweep passes unless told others: of the logistic prior about -6.9, -4.6, -2.2, -1.1, 0 and the same above. */
export const sweepProbabilities: readonly number[] = [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999]

export type SweepOptions = {
  /** Examples whose latents the sweep starts from; z = 0, the prior's mode, when left out. */
  readonly from?: Examples
  /** The dimensions that are swept, one after the other. */
  readonly dimensions: readonly number[]
  /** Where each is put: quantiles of the prior by their probabilities, between 0 and 1. @default sweepProbabilities */
  readonly probabilities?: readonly number[]
  /** Multiplies the quantiles, as it does a sample's latents: z_d = temperature * Q(p). @default 1 */
  readonly temperature?: number
}

/** What `Flow.traverse` gives: where the sweeps lead, and the latents [n, dim] that they start from. */
export type Sweep = Explored & { readonly start: Tensor<'float32'> }

/** What `Flow.traverse` does. */
export async function traverse(
  flow: Flow,
  { from, dimensions, probabilities = sweepProbabilities, temperature = 1, seed = 0, firstIndex = 0 }: SweepOptions & DequantizationKey,
): Promise<Sweep> {
  assertInteger('number of dimensions', dimensions.length, 1)
  assertDimensions('dimensions', dimensions, flow.dim)
  assertInteger('number of probabilities', probabilities.length, 1)
  const wrong = probabilities.find((p) => !(p > 0 && p < 1))
  if (wrong !== undefined) throw new InvalidValueError({ what: 'probabilities', expected: 'numbers between 0 and 1', got: wrong })
  assertTemperature(temperature)

  const { dim } = flow
  const start = from ? (await flow.encode(from, { seed, firstIndex })).z : tensor('float32', [1, dim])
  const values = probabilities.map((p) => temperature * quantiles[flow.manifest.model.prior](p))
  const dims = [start.dims[0]!, dimensions.length, values.length, dim]
  const z = tensor('float32', dims)
  let at = 0
  for (let row = 0; row < start.data.length; row += dim) {
    for (const dimension of dimensions) {
      for (const value of values) {
        z.data.set(start.data.subarray(row, row + dim), at)
        z.data[at + dimension] = value
        at += dim
      }
    }
  }
  return { x: tensor('float32', dims, (await flow.decode(z.data)).data), z, start }
}
