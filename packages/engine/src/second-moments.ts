import { type Tensor, tensor } from '@niceflow/core'
import { buildGraph, encodeModel, type Graph } from '@niceflow/graph'
import type { OpenSession } from './onnxruntime.ts'

/** Mean [dim] and covariance [dim, dim] (of n degrees of freedom, as the likeliest Gaussian has it). */
export type SecondMoments = { readonly mean: Float64Array; readonly covariance: Float64Array }

export type MomentRows = Tensor<'uint8'> | Tensor<'float32'>

/** Sums over rows x [batch, dim] of d = x - origin and of d d', added to what earlier rows gave; all in float64. */
function sumsGraph(dtype: MomentRows['dtype'], dim: number): Graph {
  const g = buildGraph('second_moments')
  const d = g.Sub(g.Cast(g.input('x', dtype, ['batch', dim]), { to: 'float64' }), g.input('origin', 'float64', [dim]))
  g.output('next_products', g.Gemm(d, d, g.input('products', 'float64', [dim, dim]), { transA: 1 }))
  g.output('next_sums', g.Add(g.input('sums', 'float64', [dim]), g.ReduceSum(d, [0], { keepdims: 0 })))
  return g.build()
}

/**
 * Measured about the first row: that keeps the digits of what varies little about a large mean, and pixels, whose sums are integers below 2^53,
 * are exact whatever the order.
 * @param chunks rows [n, dim], one array or more, of one element type
 */
export async function secondMoments(chunks: AsyncIterable<MomentRows>, dim: number, open: OpenSession): Promise<SecondMoments> {
  let session: Awaited<ReturnType<OpenSession>> | undefined
  let origin = tensor('float64', [dim])
  let products = tensor('float64', [dim, dim])
  let sums = tensor('float64', [dim])
  let count = 0
  try {
    for await (const x of chunks) {
      if (session === undefined) {
        session = await open(encodeModel({ graph: sumsGraph(x.dtype, dim), metadata: {} }), 'evaluation')
        origin = tensor('float64', [dim], Float64Array.from(x.data.subarray(0, dim)))
      }
      const next = await session.run({ x, origin, products, sums })
      products = next.next_products as Tensor<'float64'>
      sums = next.next_sums as Tensor<'float64'>
      count += x.dims[0]!
    }
  } finally {
    await session?.dispose()
  }
  const offset = sums.data.map((sum) => sum / count)
  const covariance = products.data
  for (let i = 0; i < dim; i++) {
    for (let j = 0; j < dim; j++) covariance[i * dim + j] = covariance[i * dim + j]! / count - offset[i]! * offset[j]!
  }
  return { mean: offset.map((value, d) => value + origin.data[d]!), covariance }
}
