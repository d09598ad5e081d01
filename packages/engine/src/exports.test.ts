import { expect, it } from 'vitest'
import * as api from './index.ts'

it('exports these names and no others', () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "DivergedError",
      "WhiteningError",
      "assertTrainingData",
      "dataFacts",
      "dataWarnings",
      "defaultPreset",
      "encodeTrained",
      "imageShiftOf",
      "learningRateAt",
      "logScaleOf",
      "measureMoments",
      "modelFacts",
      "onnxRuntimeEngine",
      "openTrained",
      "optimizerOf",
      "parseTrainingConfig",
      "presetFor",
      "presets",
      "residentEngine",
      "resolveRecipe",
      "startFit",
      "startFrom",
      "startModel",
      "stepsOfEpoch",
      "stepsOfRun",
      "stepsPerTurn",
      "suitedTo",
      "tablePreset",
      "tfjsEngine",
      "tfjsKernels",
      "trainEpoch",
    ]
  `)
})
