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
      "calibrate",
      "cellWidth",
      "dequantizeRow",
      "exampleScores",
      "excessBits",
      "fillUniform",
      "graphNames",
      "judgeBy",
      "logisticQuantile",
      "manifestVersion",
      "meanAndError",
      "normalQuantile",
      "parseManifest",
      "permutation",
      "pixelLevels",
      "purposes",
      "quantiles",
      "quantilesOf",
      "quantizePixels",
      "rows",
      "scalesOf",
      "scoreNames",
      "shareBelow",
      "sizeOf",
      "storageTypes",
      "streamKey",
      "tensor",
      "uniform",
    ]
  `)
})
