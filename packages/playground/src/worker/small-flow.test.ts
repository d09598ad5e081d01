import { onnxRuntimeEngine } from '@niceflow/engine'
import { nice, parameterCount } from '@niceflow/flow'
import { openSession } from '@niceflow/runtime-node'
import { expect, test } from 'vitest'
import { shapePoints } from './shapes.ts'
import { gridPoints, runOf, smallFlow, startOf } from './small-flow.ts'

/** The density of a trained flow is smooth but for its bins: a grid's sum is its integral to some per cent. */
const gridTolerance = 0.05

test('the small flow has under a million parameters, and learns a shape in three hundred steps', async () => {
  expect(parameterCount(nice(smallFlow).parameters)).toBeLessThan(1e6)
  const points = shapePoints('moons', 2000, 0)
  const { model, state } = await startOf(points, 0)
  const engine = await onnxRuntimeEngine(model, (bytes) => openSession(bytes, { device: 'cpu', threads: 1 }))
  try {
    await engine.load(state)
    const mean = (nats: Float32Array): number => nats.reduce((sum, value) => sum + value, 0) / nats.length
    const before = mean(await engine.train(runOf(points, 0, 0, 20)))
    await engine.train(runOf(points, 0, 20, 280))
    const after = mean(await engine.train(runOf(points, 0, 300, 20)))
    // A uniform density has 0 nats on the square; two thin moons cover a fraction of it.
    expect(before).toBeLessThan(after - 0.5)
    expect(after).toBeGreaterThan(1.5)
    const nats = await engine.logLikelihood(gridPoints(80))
    expect(Math.abs(nats.reduce((sum, value) => sum + Math.exp(value), 0) / 80 ** 2 - 1)).toBeLessThan(gridTolerance)
  } finally {
    await engine.dispose()
  }
})

test('a batch is a function of the seed and the step alone', () => {
  const points = shapePoints('rings', 100, 0)
  const [whole, part] = [runOf(points, 3, 0, 4), runOf(points, 3, 2, 2)]
  expect(whole.x.data.subarray(whole.x.data.length / 2)).toEqual(part.x.data)
  expect(Array.from(whole.learningRates).slice(2)).toEqual(Array.from(part.learningRates))
})

test('points on a line are no end of training', async () => {
  const { state } = await startOf(
    Float32Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? i / 200 : 0.5)),
    0,
  )
  for (const { data } of Object.values(state.arrays)) expect(data.every(Number.isFinite)).toBe(true)
})
