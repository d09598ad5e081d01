import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Manifest, tensor } from '@niceflow/core'
import type { PartialRecipe } from '@niceflow/engine'
import { loadFlow } from '@niceflow/runtime-node'
import { expect, onTestFinished, test } from 'vitest'
import { amendBundle, exportBundle } from './bundle.ts'
import { histograms, temporaryFolder, tinyOptions, toyRows } from './tiny.fixture.ts'
import { train } from './train.ts'
import { verifyBundle } from './verify.ts'

/** A bundle with a model card, and its flow. */
async function bundle(seed = 0, changes: PartialRecipe = {}) {
  const folder = join(temporaryFolder(), 'toy')
  await exportBundle(await train(tinyOptions({ ...changes, training: { seed } })), folder)
  await amendBundle(folder, {}, { 'README.md': '# toy\n' })
  const flow = await loadFlow(folder, { device: 'cpu', threads: 1 })
  onTestFinished(() => flow.dispose())
  return { folder, flow }
}

const x = toyRows(120, 4, 2)

test('a bundle as exported passes, each figure beside its bound', async () => {
  const { folder, flow } = await bundle()
  const told: number[] = []
  const found = await verifyBundle(folder, flow, x, (done) => told.push(done))
  expect(found).toMatchObject({
    files: 5,
    examples: 120,
    roundTrip: { tolerance: 1e-4 },
    float64: { meanTolerance: 1e-2, maxTolerance: 5e-2 },
  })
  for (const figure of [found.roundTrip.max, found.float64.max]) {
    expect(figure).toBeGreaterThan(0)
    expect(figure).toBeLessThan(1e-4)
  }
  expect(found.float64.mean).toBeLessThanOrEqual(found.float64.max)
  expect(found.inpainter).toMatchObject({ changed: 0, tolerance: 1e-3 })
  expect(found.inpainter!.distance).toBeGreaterThan(0)
  expect(told).toEqual([50, 100, 120])
})

test('a density of bins, which jumps, is allowed more, and its inverse still exact to a thousandth', async () => {
  const { folder, flow } = await bundle(0, histograms)
  const found = await verifyBundle(folder, flow, x)
  expect(found).toMatchObject({ roundTrip: { tolerance: 1e-3 }, float64: { meanTolerance: 3 / Math.sqrt(120), maxTolerance: 10 } })
  expect(found.roundTrip.max).toBeLessThan(1e-4)
})

test('a spline, which may be steep, is allowed more in any example, and nothing in the mean', async () => {
  const { folder, flow } = await bundle(0, { flow: { law: 'spline', bins: 4, prior: 'gaussian' } })
  const found = await verifyBundle(folder, flow, x)
  expect(found).toMatchObject({ roundTrip: { tolerance: 1e-3 }, float64: { meanTolerance: 1e-2, maxTolerance: 0.5 } })
  expect(found.roundTrip.max).toBeLessThan(1e-4)
})

test.each(['encoder.onnx', 'decoder.onnx', 'inpainter.onnx', 'weights.bin', 'README.md'])(
  'one flipped bit of %s is found',
  async (file) => {
    const { folder, flow } = await bundle()
    const bytes = readFileSync(join(folder, file))
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(join(folder, file), bytes)
    await expect(verifyBundle(folder, flow, x)).rejects.toThrow(
      new RegExp(`^${join(folder, file)}: .*expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}$`),
    )
  },
)

test.each(['weights.bin', 'README.md'])('a missing %s is named', async (file) => {
  const { folder, flow } = await bundle()
  rmSync(join(folder, file))
  await expect(verifyBundle(folder, flow, x)).rejects.toThrow(`${join(folder, file)}: `)
})

test('scores that are not those of the files are found', async () => {
  const [{ folder }, { flow: another }] = [await bundle(0), await bundle(1)]
  await expect(verifyBundle(folder, another, x)).rejects.toMatchObject({
    name: 'VerificationError',
    message: expect.stringMatching(/: (mean|an example's) log-likelihood against float64: expected at most [\d.]+, got /),
  })
})

test('a round trip that loses too much is found', async () => {
  const { folder, flow } = await bundle()
  const lossy = { ...flow, encode: flow.encode.bind(flow), decode: async () => tensor('float32', [120, 4]) } as unknown as typeof flow
  await expect(verifyBundle(folder, lossy, x)).rejects.toThrow('round trip max |decode(encode(x)) - x|: expected at most 0.0001, got ')
})

test('a bundle of an older version, without an inpainter, passes as it is', async () => {
  const { folder, flow } = await bundle()
  const path = join(folder, 'flow.json')
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest
  delete (manifest.variants.fp32 as { inpainter?: string }).inpainter
  delete (manifest.files as Record<string, unknown>)['inpainter.onnx']
  writeFileSync(path, JSON.stringify(manifest))
  expect((await verifyBundle(folder, flow, x)).inpainter).toBeNull()
})
