import {
  cellWidth,
  type Dequantization,
  dequantize,
  type ImageShift,
  isConstant,
  pixelLevels,
  rows,
  type Selection,
  type Tensor,
  tensor,
} from '@niceflow/core'
import { type Flow, type Moments, type ParameterValues, ports, preprocessingGraph } from '@niceflow/flow'
import { encodeModel } from '@niceflow/graph'
import type { OpenSession } from './onnxruntime.ts'
import type { MomentRows } from './second-moments.ts'
import { type MeasuredWhitening, measureWhitening, type WhiteningProgress, type WhiteningSource } from './whitening.ts'

/** Rows held in memory at once. */
const chunk = 1000

/** Training examples in use, and how they are moved, if they are. */
export type TrainingRows = Selection & { readonly imageShift?: ImageShift | undefined }

/** What else a caller has to do with the data's moments. */
export type MeasuringOptions = {
  /** Gives a whitening that it has kept, or keeps what `measure` gives. Data, range and seed are the caller's; the rest is in `facts`. */
  readonly keep?: (facts: WhiteningFacts, measure: () => Promise<MeasuredWhitening>) => Promise<MeasuredWhitening>
  readonly onProgress?: (progress: WhiteningProgress) => void
}

/** Behind how many preprocessing steps whitening stands, and its epsilon. */
export type WhiteningFacts = { readonly steps: number; readonly epsilon: number }

export type MomentsOptions = MeasuringOptions & {
  readonly flow: Flow
  /** What to measure. */
  readonly data: TrainingRows
  /** Of the draws that dequantise it. */
  readonly seed: number
  readonly dequantization: Dequantization
  /** How many preprocessing steps the data have passed, and the parameters of these. */
  readonly steps: number
  readonly values: ParameterValues
  readonly open: OpenSession
}

export type MeasuredMoments = Omit<Moments, 'whitening'> & { readonly whitening: (epsilon: number) => Promise<MeasuredWhitening> }

/** The dequantised data behind some preprocessing steps: [n, dim], a thousand rows at a time. */
async function* passed({ flow, data, seed, dequantization, steps, values, open }: MomentsOptions): AsyncGenerator<Tensor<'float32'>> {
  const { dim, dataRange: range } = flow.config
  const { examples, indices, imageShift } = data
  const session = steps > 0 ? await open(encodeModel({ graph: preprocessingGraph(flow, steps), metadata: {} }), 'evaluation') : undefined
  const parameters = Object.fromEntries(Object.entries(values).filter(([name]) => session?.inputNames.includes(name)))
  try {
    for (let start = 0; start < indices.length; start += chunk) {
      const taken = indices.subarray(start, start + chunk)
      const spread = { seed, draw: 0, range, dequantization, batchSize: 1, firstRow: start, imageShift }
      const x = tensor('float32', [taken.length, dim], dequantize(examples, taken, spread))
      yield session ? ((await session.run({ [ports.data]: x, ...parameters })).y as Tensor<'float32'>) : x
    }
  } finally {
    await session?.dispose()
  }
}

/** Pixels as they are: [n, dim], a thousand rows at a time. */
async function* pixelRows(examples: Tensor<'uint8'>, indices: Uint32Array): AsyncGenerator<Tensor<'uint8'>> {
  const dim = examples.dims[1]!
  for (let start = 0; start < indices.length; start += chunk) {
    const taken = indices.subarray(start, start + chunk)
    const out = tensor('uint8', [taken.length, dim])
    taken.forEach((index, i) => {
      out.data.set(rows(examples, index, index + 1).data, i * dim)
    })
    yield out
  }
}

/**
 * What to whiten. Pixels that nothing has changed yet are taken without their noise, which would hide that some are constant: it is uniform on a
 * cell, of variance cell^2 / 12. (Images are not moved either: W is that of those which the model will meet.)
 */
function whiteningSource(options: MomentsOptions): WhiteningSource {
  const { dim, dataRange } = options.flow.config
  const { examples, indices } = options.data
  if (options.steps > 0 || examples.dtype !== 'uint8' || options.dequantization !== 'independent') {
    const plain = (): AsyncIterable<MomentRows> => passed(options)
    return { rows: plain, dim, low: 0, scale: 1, noise: 0 }
  }
  const cell = cellWidth(dataRange)
  return { rows: () => pixelRows(examples, indices), dim, low: dataRange[0] + cell / 2, scale: cell, noise: cell ** 2 / 12 }
}

/**
 * Mean and standard deviation of each dimension of the dequantised data behind some preprocessing steps (Welford's running sums), and the shares
 * of all values in 256 cells of [0, 1]; the outer cells take what lies beyond. Noise that batches share varies from one to the next: here each
 * example has its own.
 */
export async function measureMoments(options: MomentsOptions): Promise<MeasuredMoments> {
  const { dim } = options.flow.config
  const mean = new Float64Array(dim)
  const squares = new Float64Array(dim)
  const cells = new Float64Array(pixelLevels)
  let count = 0
  for await (const { data: y, dims } of passed(options)) {
    for (let row = 0; row < dims[0]!; row++) {
      count++
      for (let d = 0; d < dim; d++) {
        const value = Number(y[row * dim + d])
        cells[Math.min(pixelLevels - 1, Math.max(0, Math.floor(value * pixelLevels)))]!++
        const delta = value - mean[d]!
        mean[d]! += delta / count
        squares[d]! += delta * (value - mean[d]!)
      }
    }
  }
  const deviation = squares.map((sum, d) => {
    const measured = Math.sqrt(sum / count)
    // Constant columns keep their unit, where a scale of theirs would make noise of rounding.
    return isConstant({ mean: mean[d]!, deviation: measured }) ? 1 : measured
  })
  return { mean, deviation, cells: cells.map((number) => number / (count * dim)), whitening: whiteningOf(options) }
}

/** The whitening of the data behind some steps, measured once for each epsilon. */
function whiteningOf(options: MomentsOptions): MeasuredMoments['whitening'] {
  const { data, steps, open, onProgress, keep = (_, measure) => measure() } = options
  const found = new Map<number, Promise<MeasuredWhitening>>()
  return (epsilon) => {
    const measure = (): Promise<MeasuredWhitening> =>
      measureWhitening(whiteningSource(options), { epsilon, open, onProgress, count: data.indices.length })
    const known = found.get(epsilon) ?? keep({ steps, epsilon }, measure)
    found.set(epsilon, known)
    return known
  }
}
