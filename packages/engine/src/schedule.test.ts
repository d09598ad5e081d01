import fc from 'fast-check'
import { expect, test } from 'vitest'
import { presets } from './presets.ts'
import type { TrainingConfig } from './recipe.ts'
import { learningRateAt } from './schedule.ts'

const stepsPerEpoch = 10
const config = (changes: Partial<TrainingConfig>): TrainingConfig => ({
  ...presets.paper.training,
  learningRate: 0.1,
  epochs: 5,
  ...changes,
})
const rates = (changes: Partial<TrainingConfig>): number[] =>
  Array.from({ length: 50 }, (_, step) => learningRateAt(step, stepsPerEpoch, config(changes)))

test('a constant schedule stays', () => {
  expect(new Set(rates({ schedule: 'constant' }))).toEqual(new Set([0.1]))
})

test('warm-up rises in a straight line that reaches the rate at its last step', () => {
  const warm = rates({ schedule: 'constant', warmup: 2 })
  for (let step = 0; step < 20; step++) expect(warm[step]).toBeCloseTo((0.1 * (step + 1)) / 20, 12)
  expect(warm[20]).toBe(0.1)
})

test('a cosine begins at the rate, is half-way at half time, and would end at the final rate', () => {
  const cosine = rates({ schedule: 'cosine', finalLearningRate: 0.02 })
  expect(cosine[0]).toBe(0.1)
  expect(cosine[25]).toBeCloseTo(0.06, 12)
  expect(learningRateAt(50, stepsPerEpoch, config({ schedule: 'cosine', finalLearningRate: 0.02 }))).toBeCloseTo(0.02, 12)
})

test('a cosine after warm-up has the rest of the run to itself', () => {
  const cosine = rates({ schedule: 'cosine', warmup: 1 })
  expect(cosine[10]).toBe(0.1)
  expect(cosine[30]).toBeCloseTo(0.05, 12)
})

test('a line falls evenly', () => {
  const line = rates({ schedule: 'linear', finalLearningRate: 0.02, warmup: 1 })
  expect(line[10]).toBe(0.1)
  expect(line[20]).toBeCloseTo(0.08, 12)
  expect(line[30]).toBeCloseTo(0.06, 12)
})

test.each(['cosine', 'linear'] as const)('a %s never rises, and leaves neither end', (schedule) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 48 }), fc.double({ min: 0, max: 0.1, noNaN: true }), (step, finalLearningRate) => {
      const [now, next] = [step, step + 1].map((at) => learningRateAt(at, stepsPerEpoch, config({ schedule, finalLearningRate })))
      expect(next).toBeLessThanOrEqual(now!)
      expect(next).toBeGreaterThanOrEqual(finalLearningRate)
      expect(now).toBeLessThanOrEqual(0.1)
    }),
  )
})
