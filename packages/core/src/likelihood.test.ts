import { describe, expect, it } from 'vitest'
import { bitsPerDim, cellWidth, meanAndError } from './likelihood.ts'

describe('bitsPerDim', () => {
  // Dinh et al. 2014, section 5.1: nats of NICE; bits per dimension as those who cite it print them.
  it.each([
    ['MNIST', 1980.5, 784, [0, 1], '4.356'],
    ['TFD', 5514.71, 2304, [0, 1], '4.547'],
    ['SVHN', 11496.55, 3072, [0, 1], '2.601'],
    ['CIFAR-10', 5371.78, 3072, [-1, 1], '4.477'],
  ] as const)('of %s at %s nats in %s dimensions on %o is %s', (_, nats, dim, range, expected) => {
    expect(bitsPerDim(nats, dim, range).toFixed(3)).toBe(expected)
  })

  it('is 8 for the uniform density on any range, and 0 for one that fills one cell', () => {
    for (const range of [
      [0, 1],
      [-1, 1],
      [0, 256],
    ] as const) {
      const dim = 5
      const uniform = -dim * Math.log(range[1] - range[0])
      expect(bitsPerDim(uniform, dim, range)).toBeCloseTo(8, 12)
      expect(bitsPerDim(-dim * Math.log(cellWidth(range)), dim, range)).toBeCloseTo(0, 12)
    }
  })
})

describe('meanAndError', () => {
  it('is the mean and its standard error, with n - 1 in the variance', () => {
    const { mean, standardError } = meanAndError([1, 2, 3, 4])
    expect(mean).toBe(2.5)
    expect(standardError).toBeCloseTo(Math.sqrt(5 / 3 / 4), 15)
  })

  it('has no error to state for one value', () => {
    expect(meanAndError(Float32Array.of(7))).toEqual({ mean: 7, standardError: Number.NaN })
  })

  it('keeps its digits far from zero', () => {
    const { mean, standardError } = meanAndError([1, 2, 3, 4].map((value) => 1e9 + value))
    expect(mean).toBe(1e9 + 2.5)
    expect(standardError).toBeCloseTo(Math.sqrt(5 / 3 / 4), 12)
  })
})
