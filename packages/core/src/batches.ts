import { type Dequantization, dequantizeRow, noiseKey } from './dequantize.ts'
import { InvalidValueError } from './error.ts'
import { drawMove, type ImageShift, moveImage } from './image-shift.ts'
import type { DataRange } from './likelihood.ts'
import { permutation, streamKey } from './random.ts'
import { rows, type Tensor } from './tensor.ts'

/** Examples, one a row: [n, dim]; 8-bit pixels, or floats on the model's data range. */
export type Examples = Tensor<'uint8' | 'float32'>

/** Rows in use of an array of examples. An example's index in that array is what its random draws are keyed on. */
export type Selection = { readonly examples: Examples; readonly indices: Uint32Array }

export type DequantizeOptions = {
  readonly seed: number
  /** Which draw of the same example: the epoch in training, 0, 1, … in evaluation. */
  readonly draw: number
  readonly range: DataRange
  /** @default 'independent' */
  readonly dequantization?: Dequantization | undefined
  /** Examples that share noise, where it is shared: all when left out. `firstRow` is the place of the first of them in its epoch. */
  readonly batchSize?: number | undefined
  readonly firstRow?: number | undefined
  /** Moves images first; they stay where they are when left out. */
  readonly imageShift?: ImageShift | undefined
}

/**
 * Examples as the model takes them, moved where asked for: pixels by `dequantizeRow`, floats as they are.
 * @param indices rows of `examples`; an example's draws are keyed on its index, so they do not depend on the others (its noise, where that is
 * shared, on its batch's place)
 * @returns float32 [indices.length, dim]
 */
export function dequantize(
  examples: Examples,
  indices: Uint32Array,
  {
    seed,
    draw,
    range,
    dequantization: how = 'independent',
    batchSize = Number.POSITIVE_INFINITY,
    firstRow = 0,
    imageShift,
  }: DequantizeOptions,
): Float32Array {
  const [count, dim] = examples.dims as [number, number]
  const out = new Float32Array(indices.length * dim)
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!
    if (index >= count) throw new InvalidValueError({ what: 'index of an example', expected: `less than ${count}`, got: index })
    const row = rows(examples, index, index + 1)
    const move = imageShift && drawMove(streamKey(seed, 'augmentation', index, draw), imageShift.pixels)
    const moved = <Row extends Uint8Array | Float32Array>(image: Row, background: number): Row =>
      move ? moveImage(image, imageShift.shape, move, background) : image
    const batch = Math.floor((firstRow + i) / batchSize)
    if (row.dtype === 'uint8') dequantizeRow(moved(row.data, 0), noiseKey(how, seed, { index, draw, batch }), range, out, i * dim, how)
    else out.set(moved(row.data, range[0]), i * dim)
  }
  return out
}

export type BatchOptions = Selection & {
  readonly batchSize: number
  readonly seed: number
  /** Epochs count from 0; each has a permutation and draws of its own, so training resumes at any of them. */
  readonly epoch: number
  /** Training steps that share one run. */
  readonly stepsPerRun: number
} & Pick<DequantizeOptions, 'range' | 'dequantization' | 'imageShift'>

/** The input of one run of the training engine: `x` is float32 [steps, batch, dim]. */
export type BatchRun = { readonly x: Float32Array; readonly steps: number; readonly batch: number }

/**
 * One epoch as runs of whole batches, every example once. What whole batches leave over comes last, as a run of one smaller batch. An
 * example's values depend on neither batch size nor order, unless its batch shares noise.
 * @throws InvalidValueError (usage) for a batch size or a number of steps that is not a positive integer
 */
export function batches(options: BatchOptions): Generator<BatchRun, void, undefined> {
  const { batchSize, stepsPerRun } = options
  for (const [what, value] of Object.entries({ 'batch size': batchSize, 'steps per run': stepsPerRun })) {
    if (!Number.isInteger(value) || value < 1)
      throw new InvalidValueError({ what, expected: 'a positive integer', got: value, usage: true })
  }
  return runs(options)
}

function* runs({
  examples,
  indices,
  batchSize,
  seed,
  epoch,
  stepsPerRun,
  range,
  dequantization,
  imageShift,
}: BatchOptions): Generator<BatchRun, void, undefined> {
  const order = permutation(streamKey(seed, 'shuffle', epoch), indices.length).map((i) => indices[i]!)
  const run = (start: number, end: number, batch: number): BatchRun => {
    const shared = { dequantization, batchSize, firstRow: start }
    const x = dequantize(examples, order.subarray(start, end), { seed, draw: epoch, range, ...shared, imageShift })
    return { x, steps: (end - start) / batch, batch }
  }
  const whole = order.length - (order.length % batchSize)
  const length = batchSize * stepsPerRun
  for (let start = 0; start < whole; start += length) yield run(start, Math.min(start + length, whole), batchSize)
  if (whole < order.length) yield run(whole, order.length, order.length - whole)
}
