import {
  arrayTypes,
  type DataArrays,
  dequantizeRow,
  fillUniform,
  InvalidValueError,
  type ModelFacts,
  noiseKey,
  quantiles,
  sizeOf,
  streamKey,
  type Tensor,
} from '@niceflow/core'
import { assertInteger } from './check.ts'

/**
 * Rows of float32 numbers, made when they are asked for: `read(start, end)` is [end - start, dim] and holds until the next call, or until `done`
 * says that no more is read.
 */
export type RowSource = { readonly count: number; read(start: number, end: number): Float32Array; done(): void }

/** Examples as callers hold them: a tensor [n, dim] (or [n, …] with dim numbers an example), or its numbers alone. */
export type Examples = Tensor<'float32'> | Tensor<'uint8'> | Float32Array | Uint8Array

/** How the draws that dequantise pixels are keyed; see `dequantizeRow`. */
export type DequantizationKey = {
  /** @default 0 */
  readonly seed?: number
  /** The index of the first example in its dataset, so that shards draw what the whole would. @default 0 */
  readonly firstIndex?: number
}

/** Float rows as they are. */
export function floatRows(data: Float32Array, dim: number): RowSource {
  return { count: data.length / dim, read: (start, end) => data.subarray(start * dim, end * dim), done: () => {} }
}

/** Pixels dequantised: row i is draw i mod `draws` of example floor(i / draws). */
export function pixelRows(
  pixels: Uint8Array,
  { dim, dataRange, dequantization: how = 'independent' }: ModelFacts,
  { seed = 0, firstIndex = 0, draws }: DequantizationKey & { readonly draws: number },
): RowSource {
  return generatedRows((pixels.length / dim) * draws, dim, (row, out, offset) => {
    const example = Math.floor(row / draws)
    const key = noiseKey(how, seed, { index: firstIndex + example, draw: row % draws })
    dequantizeRow(pixels.subarray(example * dim, (example + 1) * dim), key, dataRange, out, offset, how)
  })
}

/** How latents are drawn from the prior. */
export type PriorDraws = {
  /** @default 0 */
  readonly seed?: number
  /** Multiplies z: below 1 keeps nearer to the mode, 0 gives the mode itself. @default 1 */
  readonly temperature?: number
  /** The dimensions that are drawn, each as it would be among all; the others are 0. @default all */
  readonly dimensions?: readonly number[]
  /** The index of the first, so that parts draw what the whole would. @default 0 */
  readonly firstIndex?: number
}

/** Latent rows of the prior: z_d = temperature * Q(u_d), Q the prior's quantile function, u of the key (seed, 'sample', firstIndex + row). */
export function priorRows(
  count: number,
  { dim, prior }: ModelFacts,
  { seed = 0, temperature = 1, dimensions, firstIndex = 0 }: PriorDraws,
): RowSource {
  const quantile = quantiles[prior]
  const scales = new Float64Array(dim).fill(dimensions ? 0 : temperature)
  for (const d of dimensions ?? []) scales[d] = temperature
  return generatedRows(count, dim, (row, out, offset) => {
    fillUniform(streamKey(seed, 'sample', firstIndex + row), out, offset, offset + dim)
    for (let d = 0; d < dim; d++) out[offset + d] = scales[d]! * quantile(out[offset + d]!)
  })
}

/** Memory of rows that were read and done with. Megabytes made anew for each request keep the garbage collector busy beside a session. */
let spare = new Float32Array(0)

function generatedRows(count: number, dim: number, fill: (row: number, out: Float32Array, offset: number) => void): RowSource {
  let buffer = new Float32Array(0)
  return {
    count,
    read(start, end) {
      const length = (end - start) * dim
      if (buffer.length < length) {
        const large = spare.length >= length
        buffer = large ? spare : new Float32Array(length)
        if (large) spare = new Float32Array(0)
      }
      for (let row = start; row < end; row++) fill(row, buffer, (row - start) * dim)
      return buffer.subarray(0, length)
    },
    done() {
      if (buffer.length > spare.length) spare = buffer
      buffer = new Float32Array(0)
    },
  }
}

/**
 * The numbers of one or more rows of `dim`.
 * @throws InvalidValueError for another element type, another shape, or no rows at all
 */
export function assertRows<D extends 'float32' | 'uint8'>(what: string, value: unknown, dim: number, dtypes: readonly D[]): DataArrays[D] {
  const { dtype, dims, data } = parts(value)
  const expected = `${dtypes.join(' or ')} [n, ${dim}]`
  const allowed = dtypes.find((name) => name === dtype)
  if (allowed === undefined || !(data instanceof arrayTypes[allowed])) throw new InvalidValueError({ what, expected, got: dtype ?? value })
  const rows = dims === undefined ? data.length / dim : sizeOf(dims.slice(1)) === dim ? dims[0]! : Number.NaN
  if (!Number.isInteger(rows) || rows < 1 || rows * dim !== data.length) {
    throw new InvalidValueError({ what, expected, got: dims === undefined ? `${data.length} numbers` : `${dtype} [${dims.join(', ')}]` })
  }
  return data as DataArrays[D]
}

function parts(value: unknown): { dtype: string | undefined; dims: readonly number[] | undefined; data: Float32Array | Uint8Array } {
  if (value instanceof Float32Array) return { dtype: 'float32', dims: undefined, data: value }
  if (value instanceof Uint8Array) return { dtype: 'uint8', dims: undefined, data: value }
  return (value ?? {}) as Tensor<'float32' | 'uint8'>
}

/**
 * The examples as rows for the encoder: pixels dequantised, floats as they are.
 * @throws InvalidValueError for examples that are not the model's, and for several draws of what is not drawn
 */
export function exampleRows(
  x: Examples,
  model: ModelFacts,
  { draws = 1, seed = 0, firstIndex = 0 }: DequantizationKey & { readonly draws?: number },
): RowSource {
  const data = assertRows('x', x, model.dim, ['float32', 'uint8'])
  assertInteger('draws', draws, 1)
  assertInteger('seed', seed, 0)
  assertInteger('firstIndex', firstIndex, 0)
  if (data instanceof Uint8Array) {
    if (!model.pixels) throw new InvalidValueError({ what: 'x', expected: 'float32 (the model was not trained on pixels)', got: 'uint8' })
    return pixelRows(data, model, { draws, seed, firstIndex })
  }
  if (draws > 1) throw new InvalidValueError({ what: 'draws', expected: '1 for float32 examples, which are not dequantised', got: draws })
  return floatRows(data, model.dim)
}

/** @throws InvalidValueError naming the first row that holds NaN or an infinity; rows are counted from `firstRow` */
export function assertFinite(what: string, data: Float32Array, dim: number, firstRow = 0): void {
  const at = data.findIndex((value) => !Number.isFinite(value))
  if (at === -1) return
  const row = firstRow + Math.floor(at / dim)
  throw new InvalidValueError({ what: `row ${row} of ${what}`, expected: 'finite numbers', got: `${data[at]} at ${at % dim}` })
}
