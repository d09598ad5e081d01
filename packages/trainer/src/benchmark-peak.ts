import { fillUniform, streamKey, tensor } from '@niceflow/core'
import { buildGraph, type Graph, matrixFlops } from '@niceflow/graph'
import type { Session } from '@niceflow/runtime'
import type { Figure } from './benchmark.ts'

/** Rows and columns of the peak's square matrix: the paper's hidden layers. */
const width = 1000

/** Work that a figure is measured beside: how much of it a run does, in floating-point operations or bytes. */
export type Yardstick = { readonly run: () => Promise<void>; readonly work: number; readonly close: () => Promise<void> }

/** A run of products [batch, 1000] x [1000, 1000], both operands inputs, one after the other in a Loop so that calls cost nothing. */
export async function openPeak(batch: number, flops: number, open: (graph: Graph) => Promise<Session>): Promise<Yardstick> {
  const products = Math.max(1, Math.round(flops / 4 / (2 * batch * width * width)))
  const g = buildGraph('peak')
  const a = g.input('a', 'float32', [batch, width])
  const b = g.input('b', 'float32', [width, width])
  g.output('y', g.Loop({ steps: products, carried: [a], body: (body, _, [y]) => ({ carried: [body.MatMul(y!, b)] }) }).carried[0]!)
  const graph = g.build()
  const session = await open(graph)
  // Uniform on +-sqrt(3 / 1000): products keep their operand's size, however many follow one another.
  const feeds = { a: tensor('float32', [batch, width]), b: tensor('float32', [width, width]) }
  fillUniform(streamKey(0, 'probe', 0), feeds.a.data)
  fillUniform(streamKey(0, 'probe', 1), feeds.b.data)
  feeds.b.data.forEach((u, i) => {
    feeds.b.data[i] = (2 * u - 1) * Math.sqrt(3 / width)
  })
  const run = async (): Promise<void> => {
    await session.run(feeds)
  }
  return { run, work: matrixFlops(graph, {}, products), close: () => session.dispose() }
}

/** Rows of the array that is read. */
const readRows = 64

/**
 * Memory read once from end to end: the sums of the rows of an array of so many bytes, by ONNX Runtime on the threads of its sessions. An addition
 * for each number is far below what a core adds in the time that the number takes to arrive.
 */
export async function openReading(bytes: number, open: (graph: Graph) => Promise<Session>): Promise<Yardstick> {
  const dims = [readRows, Math.ceil(bytes / 4 / readRows)]
  const g = buildGraph('reading')
  g.output('y', g.ReduceSum(g.input('x', 'float32', dims), [1]))
  const session = await open(g.build())
  const feeds = { x: tensor('float32', dims) }
  fillUniform(streamKey(0, 'probe', 0), feeds.x.data)
  const run = async (): Promise<void> => {
    await session.run(feeds)
  }
  return { run, work: feeds.x.data.byteLength, close: () => session.dispose() }
}

/** A yardstick and a figure in turns; the medians of both: seconds of the figure, and what the yardstick does, in billions a second. */
export async function inTurns(
  yardstick: Yardstick,
  repeats: number,
  figure: () => Promise<void>,
  prepare?: () => Promise<void>,
): Promise<{ seconds: number; billions: number }> {
  const peaks: number[] = []
  const figures: number[] = []
  for (let turn = 0; turn <= repeats; turn++) {
    await prepare?.()
    const reached = yardstick.work / (await timed(yardstick.run)).seconds / 1e9
    const { seconds } = await timed(figure)
    if (turn === 0) continue
    peaks.push(reached)
    figures.push(seconds)
  }
  await yardstick.close()
  return { seconds: median(figures), billions: median(peaks) }
}

export async function timed<T>(work: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const start = performance.now()
  const result = await work()
  return { result, seconds: (performance.now() - start) / 1000 }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The figure of `ms` a batch whose matrix products take `flops`. */
export function rates(batch: number, flops: number, ms: number, peakGflops: number): Figure {
  return { batch, imagesPerSecond: (batch * 1000) / ms, ofPeak: flops / ms / 1e6 / peakGflops, peakGflops }
}
