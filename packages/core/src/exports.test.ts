import { expect, it } from 'vitest'
import * as core from './index.ts'

it('exports tensors, random numbers, likelihoods, the manifest and the base errors', () => {
  expect(Object.keys(core).sort()).toMatchInlineSnapshot(`
    [
      "InvalidManifestError",
      "InvalidValueError",
      "NiceflowError",
      "arrayTypes",
      "bitsPerDim",
      "block",
      "cellWidth",
      "dequantizeRow",
      "distributions",
      "fillUniform",
      "graphNames",
      "kolmogorovCritical",
      "kolmogorovDistance",
      "kolmogorovMean",
      "logNormalTail",
      "logisticDistribution",
      "logisticQuantile",
      "manifestVersion",
      "meanAndError",
      "normalDistribution",
      "normalQuantile",
      "normalScores",
      "normalTailQuantile",
      "parseManifest",
      "permutation",
      "pixelLevels",
      "purposes",
      "quantiles",
      "rows",
      "sizeOf",
      "storageTypes",
      "streamKey",
      "tensor",
      "uniform",
    ]
  `)
})
