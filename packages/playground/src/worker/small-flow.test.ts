import { nice, parameterCount } from '@niceflow/flow'
import { openSession } from '@niceflow/runtime-node'
import { expect, test } from 'vitest'
import { shapePoints } from './shapes.ts'
import { advance, fitPoints, gridPoints } from './small-flow.ts'

/** The density of a trained flow is smooth but for its bins: a grid's sum is its integral to some per cent. */
const gridTolerance = 0.05

const host = { open: (bytes: Uint8Array) => openSession(bytes, { device: 'cpu', threads: 1 }) }

test('the small flow has under a million parameters, and learns a shape in three hundred steps', async () => {
  const fit = await fitPoints(shapePoints('moons', 2000, 0), 0, host)
  try {
    expect(parameterCount(nice(fit.recipe.flow).parameters)).toBeLessThan(1e6)
    const before = await advance(fit, 20, 0)
    await advance(fit, 260, 20)
    const after = await advance(fit, 20, 280)
    expect([before?.step, after?.step]).toEqual([20, 300])
    // A uniform density has 0 nats on the square; two thin moons cover a fraction of it.
    expect(after!.logLikelihood).toBeGreaterThan(1.5)
    expect(before!.logLikelihood).toBeLessThan(after!.logLikelihood - 0.5)
    const nats = await fit.engine.logLikelihood(gridPoints(80))
    expect(Math.abs(nats.reduce((sum, value) => sum + Math.exp(value), 0) / 80 ** 2 - 1)).toBeLessThan(gridTolerance)
  } finally {
    await fit.dispose()
  }
})

test('few points, on a line, are fitted too, an epoch being a step', async () => {
  const fit = await fitPoints(
    Float32Array.from({ length: 80 }, (_, i) => (i % 2 === 0 ? i / 80 : 0.5)),
    0,
    host,
  )
  try {
    const reached = await advance(fit, 5, 0)
    expect(reached?.step).toBe(5)
    expect(reached?.logLikelihood).toBeGreaterThan(-10)
  } finally {
    await fit.dispose()
  }
})
