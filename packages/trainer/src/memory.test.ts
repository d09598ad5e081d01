import { readdirSync } from 'node:fs'
import { presetFor, presets, type Recipe } from '@niceflow/engine'
import { expect, test } from 'vitest'
import { assertMemory, machineMemory, trainingMemory } from './memory.ts'
import { temporaryFolder, tinyOptions } from './tiny.fixture.ts'
import { train } from './train.ts'

const gigabytes = 1e9
const wide = (hiddenDim: number): Recipe => ({ ...presets.paper, flow: { ...presets.paper.flow, hiddenDim } })

/** What was measured, in MiB: the estimate lies above it, by a quarter at most. */
test.each([
  [500, 701],
  [1000, 1697],
  [2000, 6321],
])('the memory that hidden layers of %i take is told from above', (hiddenDim, mebibytes) => {
  const { needed } = trainingMemory(wide(hiddenDim))
  const ratio = needed / 2 ** 20 / mebibytes
  expect(ratio).toBeGreaterThan(1)
  expect(ratio).toBeLessThan(1.25)
})

test('an average of the weights is a third more', () => {
  const averaged = { ...presets.paper, training: { ...presets.paper.training, averaging: 0.999 } }
  expect(trainingMemory(averaged).state / trainingMemory(presets.paper).state).toBe(4 / 3)
})

test("the paper's TFD model is refused where it does not fit, with both figures and the way out", () => {
  const tfd = presetFor('paper', 'tfd')
  expect(() => assertMemory(trainingMemory(tfd, 24 * gigabytes))).toThrow(
    expect.objectContaining({
      message: 'training 346,166,912 parameters: expected 31.7 GB of memory, this machine has 24.0 GB',
      remedy: expect.stringContaining('--mid-dim'),
    }),
  )
  assertMemory(trainingMemory(tfd, 64 * gigabytes))
  assertMemory(trainingMemory(presets.paper))
})

test('what is refused is refused before anything is written', async () => {
  const { data, ...options } = tinyOptions()
  const out = temporaryFolder()
  const huge = { ...options.config!, flow: { ...options.config!.flow, hiddenDim: Math.ceil(Math.sqrt(machineMemory())), hiddenLayers: 3 } }
  await expect(train({ ...options, data, config: huge, out })).rejects.toThrow(/^training [\d,]+ parameters: expected /)
  expect(readdirSync(out)).toEqual([])
})
