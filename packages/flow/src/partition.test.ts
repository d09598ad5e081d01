import { tensor } from '@niceflow/core'
import { buildGraph, evaluate } from '@niceflow/graph'
import { expect, test } from 'vitest'
import { mergeHalves, type Partition, parted, partitionOf, partitionsOf, splitHalves } from './partition.ts'

test.each([
  { dim: 6, partition: 'even-odd' },
  { dim: 5, partition: 'even-odd' },
  { dim: 6, partition: 'halves' },
  { dim: 6, partition: [1, 3, 5] },
  { dim: 6, partition: [4, 0, 2] },
] as const)('$partition of $dim: halves are what is at the indices, and go back there', ({ dim, partition }) => {
  const one = partitionOf({ dim, partition })
  for (const leading of [[], [2], ['batch']]) {
    const g = buildGraph('halves')
    const halves = splitHalves(g, g.input('x', 'float32', [...leading, dim]), one)
    g.output('first', halves.first)
    g.output('second', halves.second)
    g.output('merged', mergeHalves(g, halves, one))
    const rows = leading.length === 0 ? [0] : [0, 1]
    const x = tensor('float32', leading.length === 0 ? [dim] : [2, dim])
    for (const i of x.data.keys()) x.data[i] = i
    const { first, second, merged } = evaluate(g.build(), { x })
    for (const [half, indices] of [[first!, one.first] as const, [second!, one.second] as const]) {
      expect(half.dims.at(-1)).toBe(indices.length)
      expect([...half.data]).toEqual(rows.flatMap((row) => indices.map((d) => row * dim + d)))
    }
    expect([...merged!.data]).toEqual([...x.data])
    expect(merged!.dims).toEqual(x.dims)
  }
})

test('halves of one partition become those of another', () => {
  const [from, to] = partitionsOf({ dim: 5, partition: 'dyadic', couplings: 4 }) as [Partition, Partition]
  const g = buildGraph('parted')
  const halves = parted(g, splitHalves(g, g.input('x', 'float32', ['batch', 5]), from), from, to)
  g.output('first', halves.first)
  g.output('second', halves.second)
  const { first, second } = evaluate(g.build(), { x: tensor('float32', [1, 5], Float32Array.of(0, 1, 2, 3, 4)) })
  expect(from).not.toEqual(to)
  expect([...first!.data]).toEqual(to.first)
  expect([...second!.data]).toEqual(to.second)
})
