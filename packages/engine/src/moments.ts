import { type Dequantization, dequantize, type ImageShift, pixelLevels, type Selection, tensor } from '@niceflow/core'
import { type Flow, type Moments, type ParameterValues, ports, preprocessingGraph } from '@niceflow/flow'
import { encodeModel } from '@niceflow/graph'
import type { OpenSession } from './onnxruntime.ts'

/** Columns that vary by less than float32 resolves are constant: they keep their unit, where a scale of theirs would make noise of rounding. */
const resolution = 2 ** -23

/** Rows held in memory at once. */
const chunk = 1000

/** Training examples in use, and how they are moved, if they are. */
export type TrainingRows = Selection & { readonly imageShift?: ImageShift | undefined }

export type MomentsOptions = {
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

/**
 * Mean and standard deviation of each dimension of the dequantised data behind some preprocessing steps (Welford's running sums), and the shares
 * of all values in 256 cells of [0, 1]; the outer cells take what lies beyond. Noise that batches share varies from one to the next: here each
 * example has its own.
 */
export async function measureMoments({ flow, data, seed, dequantization, steps, values, open }: MomentsOptions): Promise<Moments> {
  const { dim, dataRange: range } = flow.config
  const { examples, indices, imageShift } = data
  const session = steps > 0 ? await open(encodeModel({ graph: preprocessingGraph(flow, steps), metadata: {} }), 'evaluation') : undefined
  const mean = new Float64Array(dim)
  const squares = new Float64Array(dim)
  const cells = new Float64Array(pixelLevels)
  let count = 0
  for (let start = 0; start < indices.length; start += chunk) {
    const taken = indices.subarray(start, start + chunk)
    const spread = { seed, draw: 0, range, dequantization, batchSize: 1, firstRow: start, imageShift }
    const x = tensor('float32', [taken.length, dim], dequantize(examples, taken, spread))
    const parameters = Object.fromEntries(Object.entries(values).filter(([name]) => session?.inputNames.includes(name)))
    const y = session ? (await session.run({ [ports.data]: x, ...parameters })).y!.data : x.data
    for (let row = 0; row < taken.length; row++) {
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
  await session?.dispose()
  const deviation = squares.map((sum, d) => {
    const measured = Math.sqrt(sum / count)
    return measured > resolution * Math.abs(mean[d]!) ? measured : 1
  })
  return { mean, deviation, cells: cells.map((number) => number / (count * dim)) }
}
