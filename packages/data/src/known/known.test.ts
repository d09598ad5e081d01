import { meanAndError } from '@niceflow/core'
import { describe, expect, it } from 'vitest'
import { knownDensities } from './densities.ts'
import { drawPoints, type KnownDensity, logDensitiesOf } from './density.ts'
import { drawComponents, gaussianMixture } from './mixture.ts'
import { planar } from './planar.ts'

/** Cells of this side sum smooth functions of noise 0.08 and more almost exactly, and squares of side 2 exactly. */
const side = 0.04
/** How far around 0 every shape lies, but for less than 1e-8 of its mass: seven deviations of the noise beyond the outermost ring. */
const extent = 3.6
/** Of what Simpson's rule leaves along the moons' arcs, and what float64 sums leave. */
const exact = 1e-6
/** Standard errors of a mean: a sound one passes all but once in 100,000 changes of the seed. */
const errors = 5

/** The integrals of p and of -p ln p over the plane around 0. */
function integrals({ logDensity }: KnownDensity, around = extent): { mass: number; entropy: number } {
  let [mass, entropy] = [0, 0]
  for (let x = -around + side / 2; x < around; x += side)
    for (let y = -around + side / 2; y < around; y += side) {
      const logP = logDensity([x, y])
      const p = Math.exp(logP) * side ** 2
      mass += p
      if (p > 0) entropy -= p * logP
    }
  return { mass, entropy }
}

const within = (got: { mean: number; standardError: number }, expected: number): void => {
  // A constant has no error but that of rounding.
  expect(Math.abs(got.mean - expected)).toBeLessThan(errors * got.standardError + exact)
}

const three = gaussianMixture(drawComponents(2, 3, 1))
const plane: readonly (readonly [string, KnownDensity, number])[] = [
  ['moons', planar.moons, extent],
  ['rings', planar.rings, extent],
  ['checkerboard', planar.checkerboard, 4],
  ['a mixture', three, 8],
]

describe.each(plane)('%s', (_, density, around) => {
  const { mass, entropy } = integrals(density, around)

  it('has a density that integrates to one', () => {
    expect(Math.abs(mass - 1)).toBeLessThan(exact)
  })

  it('draws points of that density: the mean of -ln p is the entropy', () => {
    const surprise = logDensitiesOf(density, drawPoints(density, 5000, { seed: 3 })).map((logP) => -logP)
    within(meanAndError(surprise), entropy)
  })
})

describe('a mixture of normal distributions', () => {
  it('has the textbook density at D = 2', () => {
    const components = drawComponents(2, 3, 1)
    const at = [0.3, -0.7]
    const p = components.map(({ weight, mean, factor: [a, , b, c] }) => {
      // The covariance is [[a^2, a b], [a b, b^2 + c^2]], its determinant (a c)^2.
      const [dx, dy] = [at[0]! - mean[0]!, at[1]! - mean[1]!]
      const squares = (dx * dx * (b! ** 2 + c! ** 2) - 2 * dx * dy * a! * b! + dy * dy * a! ** 2) / (a! * c!) ** 2
      return (weight * Math.exp(-squares / 2)) / (2 * Math.PI * a! * c!)
    })
    expect(Math.abs(three.logDensity(at) - Math.log(p.reduce((sum, value) => sum + value)))).toBeLessThan(exact)
    expect(components.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1)
  })

  it('of one has the entropy of a normal distribution, at D = 21', () => {
    const [only] = drawComponents(21, 1, 4)
    const density = gaussianMixture([only!])
    const logDet = Array.from({ length: 21 }, (_, i) => Math.log(only!.factor[22 * i]!)).reduce((sum, value) => sum + value)
    const entropy = (21 / 2) * Math.log(2 * Math.PI * Math.E) + logDet
    const surprise = logDensitiesOf(density, drawPoints(density, 5000, { seed: 3 })).map((logP) => -logP)
    within(meanAndError(surprise), entropy)
  })

  it('has the covariance that its factors say', () => {
    const [only] = drawComponents(6, 1, 2)
    const { mean, factor } = only!
    const { data } = drawPoints(gaussianMixture([only!]), 20_000, { seed: 5 })
    for (const [i, j] of [
      [0, 0],
      [5, 5],
      [5, 2],
      [3, 0],
    ] as const) {
      const products = Float64Array.from({ length: 20_000 }, (_, n) => (data[6 * n + i]! - mean[i]!) * (data[6 * n + j]! - mean[j]!))
      const expected = Array.from({ length: 6 }, (_, k) => factor[6 * i + k]! * factor[6 * j + k]!).reduce((sum, value) => sum + value)
      within(meanAndError(products), expected)
    }
  })
})

it.each(Object.entries(knownDensities))('%s gives the same points whatever their number, others for another seed or draw', (_, density) => {
  const first = (count: number, seed: number, draw = 0): number[] => [
    ...drawPoints(density, count, { seed, draw }).data.slice(0, density.dim),
  ]
  expect(first(3, 1)).toEqual(first(1, 1))
  expect(first(1, 2)).not.toEqual(first(1, 1))
  expect(first(1, 1, 1)).not.toEqual(first(1, 1))
  expect(drawPoints(density, 2, { seed: 1 }).dims).toEqual([2, density.dim])
})
