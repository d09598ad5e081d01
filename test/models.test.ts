import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { dequantize, rows, tensor } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'
import { loadFlow, readBundle } from '@niceflow/runtime-node'
import { verifyBundle } from '@niceflow/trainer'
import { expect, test } from 'vitest'

/** The released bundles: each is what its checksums say, inverts, and has the figure that its model card shows. */

const models = join(import.meta.dirname, '..', 'models')
const names = readdirSync(models)

const byteLimit = 45e6
/** Two dequantisations of the same image differ by some nats at most, so their means over 10,000 images by hundredths. */
const drawTolerance = 0.2
const verified = 16
/** So many that rare values are among them: the bound that `verify` holds each to is for all. */
const inverted = 1000

const bytesUnder = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)

test('the released bundles are there, and light', () => {
  expect(names.sort()).toEqual(['mnist-histogram', 'mnist-nice'])
  expect(bytesUnder(models)).toBeLessThan(byteLimit)
})

test.each(names)('%s is as its manifest says', async (name) => {
  const folder = join(models, name)
  const { manifest } = await readBundle(folder)
  const { test: images, dim } = await loadDataset('mnist')
  const flow = await loadFlow(folder, { device: 'cpu' })
  try {
    const indices = Uint32Array.from({ length: inverted }, (_, i) => i)
    const x = tensor('float32', [inverted, dim], dequantize(images, indices, { seed: 0, draw: 0, range: manifest.model.dataRange }))
    const { roundTrip } = await verifyBundle(folder, flow, rows(x, 0, verified))
    const back = await flow.decode((await flow.encode(x)).z)
    expect(back.data.reduce((most, value, i) => Math.max(most, Math.abs(value - x.data[i]!)), 0)).toBeLessThan(roundTrip.tolerance)
    const { split, examples, seed, logLikelihood: recorded } = manifest.evaluation!
    expect({ split, examples }).toEqual({ split: 'test', examples: images.dims[0] })
    const { logLikelihood } = await flow.score(rows(images, 0, examples), { draws: 1, seed })
    const mean = logLikelihood.reduce((sum, nats) => sum + nats, 0) / examples
    expect(Math.abs(mean - recorded.mean)).toBeLessThan(drawTolerance)
  } finally {
    await flow.dispose()
  }
})
