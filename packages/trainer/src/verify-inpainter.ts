import { type DataRange, type StorageType, streamKey, type Tensor, tensor, uniform } from '@niceflow/core'
import { evaluate } from '@niceflow/graph'
import { type NodeDevice, openSession, readBundle } from '@niceflow/runtime-node'
import { readGraph } from './read-graph.ts'

/** What a bundle's inpainter was found to do. */
export type InpainterFacts = {
  /** The largest distance of a filled pixel from where float64 puts it, relative to the longest way that one went. */
  readonly distance: number
  /** Observed pixels that are not what they were, bit by bit. */
  readonly changed: number
}

/** Examples and steps that are enough to meet every operator, and few enough to interpret in a second. */
const [examples, steps] = [2, 2]
/** The longest way of a step: short enough that few pixels meet the range's ends, and of numbers of any size long beside the grain of float32. */
const wayOf = (x: Float32Array): number => x.reduce((way, value) => Math.max(way, 1e4 * 2 ** -23 * Math.abs(value)), 0.01)

/**
 * Runs some steps of a bundle's inpainter by the gradient itself, half of the pixels hidden, and beside them the file interpreted in float64.
 * @param x examples on the data range, float32 [n, dim]
 * @returns undefined for a bundle without an inpainter
 */
export async function checkInpainter(
  folder: string,
  { dtype, device }: { readonly dtype: StorageType; readonly device: NodeDevice },
  x: Tensor<'float32'>,
): Promise<InpainterFacts | undefined> {
  const { manifest, paths } = await readBundle(folder, { dtype })
  if (paths.inpainter === undefined) return undefined
  const graph = await readGraph(paths.inpainter, paths.weights)
  const { dim, dataRange } = manifest.model
  const count = Math.min(examples, x.dims[0]!)
  const given = tensor('float32', [count, dim], x.data.slice(0, count * dim))
  const mask = tensor('float32', [count, dim], uniform(streamKey(0, 'probe', 0), count * dim).map(Math.round))
  const feeds = (length: number, stepSize: number, bounds: DataRange) => ({
    x: given,
    mask,
    noise: tensor('float32', [length, count, dim]),
    step_size: tensor('float32', [length], new Float32Array(length).fill(stepSize)),
    exponent: tensor('float32', [], Float32Array.of(1)),
    bounds: tensor('float32', [2], Float32Array.from(bounds)),
  })
  const moved = (filled: ArrayLike<number>): number =>
    given.data.reduce((most, value, k) => Math.max(most, Math.abs(filled[k]! - value)), 0)
  const steepest = moved(evaluate(graph, feeds(1, 1, [-1e9, 1e9])).filled!.data)
  const fed = feeds(steps, wayOf(given.data) / steepest, dataRange)
  // WebGPU has no kernel for Loop.
  const session = await openSession(paths.inpainter, { device: device === 'webgpu' ? 'cpu' : device })
  try {
    const filled = (await session.run(fed)).filled!.data as Float32Array
    const reference = evaluate(graph, fed).filled!.data
    const changed = given.data.filter((value, k) => mask.data[k] === 1 && !Object.is(value, filled[k])).length
    const farthest = reference.reduce((most, value, k) => Math.max(most, Math.abs(filled[k]! - value)), 0)
    return { distance: farthest / moved(reference), changed }
  } finally {
    await session.dispose()
  }
}
