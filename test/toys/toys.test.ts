import { afterAll, describe, expect, it } from 'vitest'
import { densityPicture } from './picture.ts'
import { fitToy } from './toys.ts'

/** Three hundred steps, where the benchmark takes thousands: what is left then, nats. */
const near = 0.25
/** One normal distribution stays further off. */
const far = 0.5
/** A mean may be above the truth by luck alone: standard errors. */
const luck = 5

describe('the preset table, smaller, fitted to moons for a second', async () => {
  const recipe = { flow: { couplings: 4 }, training: { batchSize: 100, epochs: 6 } }
  const fitted = await fitToy('moons', { examples: 5000, test: 4000, recipe }, 1)
  afterAll(() => fitted.fit.dispose())

  it('comes near the truth on points that it has not seen, and not above it', () => {
    const { gap, gapError, normalGap } = fitted.figures
    expect(gap).toBeLessThan(near)
    expect(gap).toBeGreaterThan(-luck * gapError)
    expect(normalGap).toBeGreaterThan(far)
  })

  it('is drawn dark where the points are', async () => {
    const { channels, data, width, height } = await densityPicture([fitted])
    expect({ channels, data: data.length }).toEqual({ channels: 1, data: width * height })
    const half = Math.floor(height / 2) * width
    const [points, learnt] = [data.subarray(0, half), data.subarray(half)]
    // Shades of the cells that hold no point and of those that do; lines between the pictures are left out.
    const shades = (empty: boolean): number[] =>
      [...points.keys()].filter((i) => (points[i] === 255) === empty && points[i] !== 96).map((i) => learnt[i]!)
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
    expect(mean(shades(false))).toBeLessThan(mean(shades(true)) - 50)
  })
})
