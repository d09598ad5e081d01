import { tensor } from '@niceflow/core'
import { dequantize } from '@niceflow/data'
import { type Flow, type Moments, type ParameterValues, ports, preprocessingGraph } from '@niceflow/flow'
import { encodeModel } from '@niceflow/graph'
import type { Session } from '@niceflow/runtime'
import type { TrainingData } from './training-data.ts'

/** The smallest deviation that is taken as one: constant columns would make a density infinite. */
const smallestDeviation = 1e-6

/** Rows held in memory at once. */
const chunk = 1000

export type MomentsOptions = {
  readonly flow: Flow
  readonly data: TrainingData
  /** The examples to measure. */
  readonly indices: Uint32Array
  /** Of the draws that dequantise them. */
  readonly seed: number
  /** How many preprocessing steps the data have passed, and the parameters of these. */
  readonly steps: number
  readonly values: ParameterValues
  readonly open: (model: Uint8Array, use: 'evaluation') => Promise<Session>
}

/** Mean and standard deviation of each dimension of the dequantised data behind some preprocessing steps (Welford's running sums). */
export async function measureMoments({ flow, data, indices, seed, steps, values, open }: MomentsOptions): Promise<Moments> {
  const { dim, dataRange: range } = flow.config
  const session = steps > 0 ? await open(encodeModel({ graph: preprocessingGraph(flow, steps), metadata: {} }), 'evaluation') : undefined
  const mean = new Float64Array(dim)
  const squares = new Float64Array(dim)
  let count = 0
  for (let start = 0; start < indices.length; start += chunk) {
    const taken = indices.subarray(start, start + chunk)
    const x = tensor('float32', [taken.length, dim], dequantize(data.examples, taken, { seed, draw: 0, range }))
    const parameters = Object.fromEntries(Object.entries(values).filter(([name]) => session?.inputNames.includes(name)))
    const y = session ? (await session.run({ [ports.data]: x, ...parameters })).y!.data : x.data
    for (let row = 0; row < taken.length; row++) {
      count++
      for (let d = 0; d < dim; d++) {
        const value = Number(y[row * dim + d])
        const delta = value - mean[d]!
        mean[d]! += delta / count
        squares[d]! += delta * (value - mean[d]!)
      }
    }
  }
  await session?.dispose()
  return { mean, deviation: squares.map((sum) => Math.max(Math.sqrt(sum / count), smallestDeviation)) }
}
