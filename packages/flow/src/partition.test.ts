import { tensor } from '@niceflow/core'
import { buildGraph, evaluate } from '@niceflow/graph'
import { expect, test } from 'vitest'
import { mergeHalves, partitionOf, splitHalves } from './partition.ts'

test.each([
  { dim: 6, partition: 'even-odd' },
  { dim: 5, partition: 'even-odd' },
  { dim: 6, partition: 'halves' },
  { dim: 6, partition: [1, 3, 5] },
  { dim: 6, partition: [4, 0, 2] },
] as const)('$partition of $dim: halves are what is at the indices, and go back there', ({ dim, partition }) => {
  const parted = partitionOf({ dim, partition })
  for (const leading of [[], [2], ['batch']]) {
    const g = buildGraph('halves')
    const halves = splitHalves(g, g.input('x', 'float32', [...leading, dim]), parted)
    g.output('first', halves.first)
    g.output('second', halves.second)
    g.output('merged', mergeHalves(g, halves, parted))
    const rows = leading.length === 0 ? [0] : [0, 1]
    const x = tensor('float32', leading.length === 0 ? [dim] : [2, dim])
    for (const i of x.data.keys()) x.data[i] = i
    const { first, second, merged } = evaluate(g.build(), { x })
    for (const [half, indices] of [[first!, parted.first] as const, [second!, parted.second] as const]) {
      expect(half.dims.at(-1)).toBe(indices.length)
      expect([...half.data]).toEqual(rows.flatMap((row) => indices.map((d) => row * dim + d)))
    }
    expect([...merged!.data]).toEqual([...x.data])
    expect(merged!.dims).toEqual(x.dims)
  }
})
