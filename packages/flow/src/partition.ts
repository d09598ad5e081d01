import type { Builder, Value } from '@niceflow/graph'
import type { FlowConfig } from './config.ts'

/** The two halves I1 and I2 of the dimensions; their sizes differ by one when D is odd. */
export type Partition = { readonly first: readonly number[]; readonly second: readonly number[] }

/** The two halves of a value: [batch, |I1|] and [batch, |I2|]. */
export type Halves = { readonly first: Value; readonly second: Value }

const firstHalf = {
  'even-odd': (dim: number) => range(dim).filter((i) => i % 2 === 0),
  halves: (dim: number) => range(Math.ceil(dim / 2)),
} as const

type OnePartition = { readonly dim: number; readonly partition: Exclude<FlowConfig['partition'], 'dyadic'> }

/** The partition of a configuration (section 3.2; the experiments split odd from even components, section 5.1). */
export function partitionOf({ dim, partition }: OnePartition): Partition {
  const first = typeof partition === 'string' ? firstHalf[partition](dim) : partition
  const members = new Set(first)
  return { first, second: range(dim).filter((i) => !members.has(i)) }
}

/**
 * The partition of each coupling: the configuration's one, or, where it is dyadic, that of one binary digit of the indices after another. The
 * last coupling keeps the digit of the one before it, whose halves it exchanges: so every dimension is moved at least once, and passes once.
 */
export function partitionsOf(config: Pick<FlowConfig, 'dim' | 'partition' | 'couplings'>): readonly Partition[] {
  const { dim, partition, couplings } = config
  const digits = Math.ceil(Math.log2(dim))
  const parts =
    partition === 'dyadic'
      ? range(digits).map((digit) => partitionOf({ dim, partition: range(dim).filter((i) => ((i >> digit) & 1) === 0) }))
      : [partitionOf({ dim, partition })]
  return range(couplings).map((i) => parts[Math.max(0, Math.min(i, couplings - 2)) % parts.length]!)
}

/** Halves of one partition as those of another: side by side, in another order. */
export function parted(g: Builder, halves: Halves, from: Partition, to: Partition): Halves {
  return from === to ? halves : divided(g, reordered(g, joined(g, halves), order(from), order(to)), to)
}

/**
 * x [..., D] as its two halves. Where dimensions of both take turns, x is read as D/2 pairs: runtimes part these several times as fast as they
 * look up one index after another.
 */
export function splitHalves(g: Builder, x: Value, partition: Partition): Halves {
  const held = order(partition)
  if (!isPaired(partition)) return divided(g, reordered(g, x, range(held.length), held), partition)
  const half = partition.first.length
  const parts = g.Split(g.Reshape(x, [...leading(x), half, 2]), [1, 1], { axis: x.dims.length })
  const [first, second] = parts.map((part) => g.Reshape(part, [...leading(x), half])) as [Value, Value]
  return { first, second }
}

/** Two halves as one value, each dimension back in its place. */
export function mergeHalves(g: Builder, halves: Halves, partition: Partition): Value {
  const held = order(partition)
  if (!isPaired(partition)) return reordered(g, joined(g, halves), held, range(held.length))
  const axis = halves.first.dims.length
  const pairs = g.Concat(g.Unsqueeze(halves.first, [axis]), g.Unsqueeze(halves.second, [axis]), { axis })
  return g.Reshape(pairs, [...leading(halves.first), held.length])
}

/** The dimensions in the order in which the halves of a partition hold them, one half after the other. */
const order = ({ first, second }: Partition): number[] => [...first, ...second]

const joined = (g: Builder, { first, second }: Halves): Value => g.Concat(first, second, { axis: first.dims.length - 1 })

function divided(g: Builder, x: Value, { first, second }: Partition): Halves {
  const [a, b] = g.Split(x, [first.length, second.length], { axis: x.dims.length - 1 })
  return { first: a!, second: b! }
}

/** A last axis that holds dimensions in one order, in another. */
function reordered(g: Builder, x: Value, from: readonly number[], to: readonly number[]): Value {
  const places = to.map((d) => from.indexOf(d))
  return places.every((place, i) => place === i) ? x : g.Gather(x, places, { axis: x.dims.length - 1 })
}

/** Whether dimensions of both halves take turns, from 0 on and to the end. */
function isPaired({ first, second }: Partition): boolean {
  return first.length === second.length && first.every((d, i) => d === 2 * i) && second.every((d, i) => d === 2 * i + 1)
}

/** The axes before the last, for Reshape; at most one of them is dynamic. */
function leading({ dims }: Value): number[] {
  return dims.slice(0, -1).map((dim) => (typeof dim === 'string' ? -1 : dim))
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i)
}
