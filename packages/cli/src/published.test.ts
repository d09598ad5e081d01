import { bitsPerDim, type DataRange } from '@niceflow/core'
import { paperFlows } from '@niceflow/flow'
import { expect, test } from 'vitest'
import { publishedFor } from './published.ts'

/** Bits per dimension that readers of the paper know these figures by. */
test.each([
  ['mnist', 4.356],
  ['tfd', 4.547],
  ['svhn', 2.601],
  ['cifar10', 4.477],
] as const)('the figure of %s is %f bits per dimension, on whatever range', (dataset, bits) => {
  const { dim, dataRange } = paperFlows[dataset]
  for (const range of [dataRange, [0, 1], [-1, 1]] satisfies DataRange[]) {
    const [first] = publishedFor(dataset, { dim, dataRange: range })
    expect(first!.model).toBe('NICE, paper')
    expect(bitsPerDim(first!.nats, dim, range)).toBeCloseTo(bits, 3)
  }
})

test('a bound is called one, and a figure that was moved says where it was', () => {
  expect(publishedFor('cifar10', { dim: 3072, dataRange: [0, 1] })).toEqual([
    { label: 'NICE, paper: 7501.13 (test)', model: 'NICE, paper', nats: expect.closeTo(7501.13, 2), note: '5371.78 on [-1, 1]' },
    {
      label: 'deep mixture of factor analysers: 5751.35 (test)',
      model: 'deep mixture of factor analysers',
      nats: expect.closeTo(5751.35, 2),
      note: expect.stringMatching(/^3622\.00 on \[-1, 1\]; a lower bound/),
    },
  ])
  expect(publishedFor('mnist:textured', { dim: 784, dataRange: [0, 1] })).toEqual([])
})
