import { describe, expect, it } from 'vitest'
import { flowWarnings, paperMnist, parseFlowConfig } from './config.ts'
import { nice } from './nice.ts'
import { parameterCount } from './parameters.ts'
import { partitionOf, partitionsOf } from './partition.ts'

describe('a flow configuration', () => {
  it("of the paper's MNIST model has 19,158,352 parameters", () => {
    expect(parameterCount(nice(parseFlowConfig(paperMnist)).parameters)).toBe(19_158_352)
  })

  it.each([
    [{ dim: 1 }, 'flow config: dim: expected at least 2 dimensions: a coupling layer needs two halves, got 1'],
    [{ couplings: 0 }, 'flow config: couplings: Too small: expected number to be >0, got 0'],
    [
      { law: 'quadratic' },
      'flow config: law: Invalid option: expected one of "additive"|"multiplicative"|"affine"|"histogram"|"spline", got "quadratic"',
    ],
    [{ dataRange: [1, 0] }, 'flow config: dataRange: expected low < high, got [1,0]'],
    [{ partition: [3, 3] }, 'flow config: partition: expected 1 to 783 distinct indices below 784, got [3,3]'],
    [{ partition: [784] }, 'flow config: partition: expected 1 to 783 distinct indices below 784, got [784]'],
    [{ colour: 'red' }, 'flow config: value: Unrecognized key: "colour"'],
    [
      { preprocessing: [{ kind: 'logit', alpha: 0.7 }] },
      'flow config: preprocessing.0.alpha: Too big: expected number to be <0.5, got 0.7',
    ],
    [
      { preprocessing: [{ kind: 'logit', alpha: 0.1 }], dataRange: [-1, 1] },
      'flow config: preprocessing: expected equalize, then logit, before all else, of data on [0, 1], got [logit] of data on [-1,1]',
    ],
    [{ bins: 257 }, 'flow config: bins: Too big: expected number to be <=256, got 257'],
    [
      { preprocessing: [{ kind: 'standardize' }, { kind: 'logit', alpha: 0.1 }] },
      'flow config: preprocessing: expected equalize, then logit, before all else, of data on [0, 1], got [standardize,logit] of data on [0,1]',
    ],
    [
      {
        preprocessing: [
          { kind: 'logit', alpha: 0.1 },
          { kind: 'equalize', bins: 4 },
        ],
      },
      'flow config: preprocessing: expected equalize, then logit, before all else, of data on [0, 1], got [logit,equalize] of data on [0,1]',
    ],
  ])('refuses %j', (changes, message) => {
    expect(() => parseFlowConfig({ ...paperMnist, ...changes })).toThrow(message)
  })

  it('warns of fewer than three couplings', () => {
    expect(flowWarnings({ ...paperMnist, couplings: 2 })).toEqual([expect.stringContaining('2 couplings: it takes three')])
    expect(flowWarnings(paperMnist)).toEqual([])
  })
})

describe('a partition', () => {
  it('passes even 0-based indices first, and lets the halves of an odd dimension differ by one', () => {
    expect(partitionOf({ dim: 5, partition: 'even-odd' })).toEqual({ first: [0, 2, 4], second: [1, 3] })
    expect(partitionOf({ dim: 5, partition: 'halves' })).toEqual({ first: [0, 1, 2], second: [3, 4] })
    expect(partitionOf({ dim: 4, partition: [3, 0] })).toEqual({ first: [3, 0], second: [1, 2] })
  })

  it('is the same for all couplings, or dyadic: one binary digit after another, the last coupling with that of the one before', () => {
    expect(partitionsOf({ dim: 4, partition: 'halves', couplings: 3 })).toEqual(Array(3).fill({ first: [0, 1], second: [2, 3] }))
    const dyadic = partitionsOf({ dim: 5, partition: 'dyadic', couplings: 5 })
    expect(dyadic[0]).toEqual({ first: [0, 2, 4], second: [1, 3] })
    expect(dyadic[1]).toEqual({ first: [0, 1, 4], second: [2, 3] })
    expect(dyadic[2]).toEqual({ first: [0, 1, 2, 3], second: [4] })
    expect(dyadic[3]).toBe(dyadic[0])
    expect(dyadic[4]).toBe(dyadic[0])
  })

  it.each([
    [784, 8],
    [784, 10],
    [784, 12],
    [5, 2],
    [6, 3],
  ])('of %i dimensions, dyadic, moves and passes each in %i couplings', (dim, couplings) => {
    const flow = nice({ ...paperMnist, dim, couplings, partition: 'dyadic', hiddenDim: 1 })
    const seen = { moved: new Set<number>(), passed: new Set<number>() }
    for (const { partition, passes } of flow.couplings) {
      for (const d of partition[passes]) seen.passed.add(d)
      for (const d of partition[passes === 'first' ? 'second' : 'first']) seen.moved.add(d)
    }
    expect([seen.moved.size, seen.passed.size]).toEqual([dim, dim])
  })
})
