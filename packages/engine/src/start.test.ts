import { type Examples, tensor } from '@niceflow/core'
import { logScale } from '@niceflow/flow'
import { openSession } from '@niceflow/runtime-node'
import { expect, it } from 'vitest'
import type { OpenSession } from './onnxruntime.ts'
import { presets } from './presets.ts'
import { type PartialRecipe, resolveRecipe } from './recipe.ts'
import { startModel } from './start.ts'
import { modelFacts } from './trained.ts'

const open: OpenSession = (model) => openSession(model, { device: 'cpu', threads: 1 })
const dim = 64
/** Black images. */
const examples: Examples = tensor('uint8', [400, dim])
const indices = Uint32Array.from({ length: 400 }, (_, i) => i)
const masked = (changes: PartialRecipe = {}) =>
  resolveRecipe(presets.masked, { ...changes, flow: { hiddenDim: 100, hiddenLayers: 2, ...changes.flow } }, dim)

const most = (values: Float32Array): number => values.reduce((max, value) => Math.max(max, Math.abs(value)), 0)

it('starts the masked form as PyTorch does: uniform by what a full-width layer takes, the last too, and s normal', async () => {
  const { arrays } = await startModel(masked(), { examples, indices }, open)
  /** Of a bound, which so many uniform draws come near and do not pass. */
  const near = 0.97
  for (const [layer, takes] of [
    [1, dim],
    [2, 100],
    [3, 100],
  ] as const) {
    for (const part of ['weight', 'bias']) {
      const share = most(arrays[`coupling_2/layer_${layer}/${part}`]!.data) * Math.sqrt(takes)
      expect(share).toBeGreaterThan(part === 'weight' ? near : 0.9)
      expect(share).toBeLessThanOrEqual(1)
    }
  }
  const { data } = arrays[logScale]!
  // Three standard errors of a variance of 64 draws.
  expect(Math.abs(data.reduce((sum, s) => sum + s ** 2 / dim, 0) - 1)).toBeLessThan(3 * Math.sqrt(2 / dim))
})

it('measures the noise that batches share as it varies from one to the next', async () => {
  const { arrays } = await startModel(masked({ training: { scaleInit: 'data' } }), { examples, indices }, open)
  const noise = 1 / 256 / Math.sqrt(12)
  const expected = Math.log(Math.PI / Math.sqrt(3) / noise)
  // Four standard errors of the log of a deviation of 400 uniform draws.
  for (const s of arrays[logScale]!.data) expect(Math.abs(s - expected)).toBeLessThan(4 * Math.sqrt(0.2 / 400))
})

it('tells of shared noise among the facts of a model of pixels, and of nothing where the paper’s is used', () => {
  const facts = (recipe: PartialRecipe, pixels: boolean) => modelFacts(masked(recipe), { pixels, imageShape: null }, {})
  expect(facts({}, true)).toMatchObject({ pixels: true, dequantization: 'shared' })
  expect(facts({}, false)).not.toHaveProperty('dequantization')
  expect(facts({ training: { dequantization: 'independent' } }, true)).not.toHaveProperty('dequantization')
})
