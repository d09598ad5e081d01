import { join } from 'node:path'
import { distributions, rows } from '@niceflow/core'
import { loadDataset } from '@niceflow/data'
import { byImportance, interpolationKinds, latentScales, likelihoodShares } from '@niceflow/runtime'
import { loadFlow } from '@niceflow/runtime-node'
import { latentIndependence, readLogScale } from '@niceflow/trainer'
import { expect, test } from 'vitest'

/** Latent paths and sweeps of the released bundles, whose latents are those of real digits. */

/** Sums of 784 shares in float32 against float64, some thousands of nats: the bound of `verify` for one image. */
const shareTolerance = 5e-2

const apart = (a: Float32Array, b: Float32Array): number => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)

test.each([
  // The bounds of their round trips (`niceflow verify`).
  ['mnist-nice', 1e-4],
  ['mnist-histogram', 1e-3],
])('%s: paths end in the images, and sweeps pass them', async (name, tolerance) => {
  const folder = join(import.meta.dirname, '..', 'models', name)
  const { test: images, dim } = await loadDataset('mnist')
  const flow = await loadFlow(folder, { device: 'cpu' })
  try {
    const [a, b] = [rows(images, 0, 2), rows(images, 2, 4)]
    const { z } = await flow.encode(rows(images, 0, 4))
    const ends = (await flow.decode(z)).data
    for (const kind of interpolationKinds) {
      const { x } = await flow.interpolate(a, b, { steps: 4, kind })
      expect(x.data.every(Number.isFinite)).toBe(true)
      for (const [image, place] of [0, 4, 3, 7].entries()) {
        const end = [0, 1, 2, 3].map((i) => ends.subarray(i * dim, (i + 1) * dim))[image]!
        // Images 0 and 1 start the two paths, 2 and 3 end them.
        expect(apart(x.data.subarray(place * dim, (place + 1) * dim), end)).toBeLessThan(tolerance)
      }
    }

    const order = byImportance(latentScales({ logScale: await readLogScale(folder, flow.manifest, flow.dtype) }))
    for (const dimension of [order[0]!, order[300]!]) {
      const own = distributions.logistic(z.data[dimension]!)
      const { x } = await flow.traverse({ from: rows(images, 0, 1), dimensions: [dimension], probabilities: [0.01, own] })
      expect(apart(x.data.subarray(dim), ends.subarray(0, dim))).toBeLessThan(tolerance)
      expect(apart(x.data.subarray(0, dim), ends.subarray(0, dim))).toBeGreaterThan(tolerance)
    }

    // Pixels share out the likelihood where couplings add; where they scale, their log-determinants are the greater part of it.
    const encoding = await flow.encode(rows(images, 0, 4))
    for (const [i, rest] of likelihoodShares(encoding, flow.manifest.model).rest.entries()) {
      if (name === 'mnist-nice') expect(Math.abs(rest)).toBeLessThan(shareTolerance)
      else expect(rest).toBeGreaterThan(encoding.logLikelihood[i]! / 2)
    }

    // Held-out latents are nearer to the prior where couplings have a histogram for each pixel than where they only shift.
    const { marginals } = await latentIndependence(flow, { examples: images, indices: Uint32Array.from({ length: 500 }, (_, i) => i) })
    if (name === 'mnist-histogram') expect(marginals.mean).toBeLessThan(1.2 * marginals.meanByChance)
    else expect(marginals.mean).toBeGreaterThan(3 * marginals.meanByChance)
  } finally {
    await flow.dispose()
  }
})
