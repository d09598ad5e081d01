import { fillUniform, type ModelFacts, rows, streamKey, tensor } from '@niceflow/core'
import { codeSizes } from '@niceflow/formats'
import { afterAll, expect, test } from 'vitest'
import { sizeCoder } from './size-coder.ts'

const model: ModelFacts = { dim: 64, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: [8, 8] }
const floats = tensor('float32', [6, 64])
fillUniform(streamKey(0, 'probe', 0), floats.data)
const pixels = tensor(
  'uint8',
  [6, 64],
  Uint8Array.from(floats.data, (value) => 256 * value),
)

const coder = sizeCoder(model)
afterAll(() => coder.close())

test('sizes are those of codeSizes, in this thread, in another, and of several requests at once', async () => {
  const asked = [pixels, pixels, floats, rows(pixels, 2, 5), rows(floats, 1, 2)]
  const got = await Promise.all(asked.map((x) => coder.sizes(x)))
  expect(got).toEqual(asked.map((x) => codeSizes(x, model)))
  // What was sent is still there.
  expect(await coder.sizes(floats)).toEqual(codeSizes(pixels, model))
})

test('other data than pixels have none', async () => {
  const other = sizeCoder({ ...model, pixels: false })
  expect([await other.sizes(floats), await other.sizes(floats)]).toEqual([null, null])
  await other.close()
})
