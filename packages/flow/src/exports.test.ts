import { expect, it } from 'vitest'
import * as api from './index.ts'

it('exports these names and no others', () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "InvalidConfigError",
      "adam",
      "decoderGraph",
      "encoderGraph",
      "evaluationGraph",
      "flowWarnings",
      "graphMetadata",
      "initialize",
      "logScale",
      "mergeHalves",
      "nextName",
      "nice",
      "paperMnist",
      "parameterCount",
      "parseFlowConfig",
      "partitionOf",
      "ports",
      "preprocessingGraph",
      "refuse",
      "slotName",
      "splitHalves",
      "stateArrays",
      "trainingGraph",
    ]
  `)
})
