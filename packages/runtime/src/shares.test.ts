import { expect, test } from 'vitest'
import { exactLogLikelihood, logScales, tinyManifest, tinySessions } from './fake.fixture.ts'
import { Flow, likelihoodShares } from './index.ts'

/** Three float32 latents of the order of one, and their sum. */
const rounding = 1e-6

const { model } = tinyManifest
const examples = [
  [0.2, 0.9, 0.4],
  [0, 1, 0.5],
]

test('shares sum up to the log-likelihood, and each is what its own dimension adds', async () => {
  const flow = new Flow({ manifest: tinyManifest, ...tinySessions() })
  const encoding = await flow.encode(Float32Array.from(examples.flat()))
  const { shares, rest } = likelihoodShares(encoding, { ...model, logScale: logScales })
  expect(shares).toHaveLength(6)
  for (const [row, x] of examples.entries()) {
    const own = [...shares.subarray(3 * row, 3 * row + 3)]
    expect(Math.abs(own.reduce((sum, share) => sum + share, 0) - exactLogLikelihood(x))).toBeLessThan(rounding)
    expect(Math.abs(rest[row]!)).toBeLessThan(rounding)
    // The tiny flow's dimensions are independent: moving one moves its share alone.
    const moved = await flow.encode(Float32Array.from(x, (value, d) => (d === 1 ? value / 2 : value)))
    const after = likelihoodShares(moved, { ...model, logScale: logScales }).shares
    expect(own.map((share, d) => share === after[d])).toEqual([true, false, true])
  }
})

test('what no latent adds is told apart', async () => {
  const flow = new Flow({ manifest: tinyManifest, ...tinySessions() })
  const { z, logLikelihood } = await flow.encode(Float32Array.from(examples.flat()))
  const { rest } = likelihoodShares({ z, logLikelihood: logLikelihood.map((nats) => nats + 7) }, { ...model, logScale: logScales })
  for (const nats of rest) expect(Math.abs(nats - 7)).toBeLessThan(rounding)
})

test('a model that does not say its s is refused', () => {
  const encoding = { z: { dtype: 'float32', dims: [1, 3], data: new Float32Array(3) }, logLikelihood: new Float32Array(1) } as const
  expect(() => likelihoodShares(encoding, model)).toThrow('expected logScale, got none')
})
