import { expect, it } from 'vitest'
import * as api from './index.ts'

it('exports these names and no others', () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "CheckpointError",
      "DivergedError",
      "EngineError",
      "LockedError",
      "StoppedError",
      "VerificationError",
      "WriteError",
      "amendBundle",
      "benchmark",
      "calibrate",
      "defaultPreset",
      "engineNames",
      "ensureFolder",
      "exists",
      "exportBundle",
      "manifestFile",
      "optimizerOf",
      "presets",
      "readHistory",
      "readRecipeFile",
      "readRun",
      "recipeOf",
      "replaceBundle",
      "replaceFolder",
      "resolveRecipe",
      "runSamples",
      "scoreSelection",
      "scratchBundle",
      "selectFor",
      "shareBelow",
      "storageCost",
      "summarize",
      "temporaryName",
      "train",
      "verifyBundle",
      "versions",
      "writeAtomic",
      "writeBundle",
    ]
  `)
})
