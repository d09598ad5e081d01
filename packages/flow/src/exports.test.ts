import { expect, it } from 'vitest'
import * as api from './index.ts'

it('exports these names and no others', () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "InvalidConfigError",
      "adam",
      "averaged",
      "clipped",
      "couplingInits",
      "decoderGraph",
      "decodingGraph",
      "dropoutDraws",
      "encoderGraph",
      "evaluationGraph",
      "flowWarnings",
      "graphMetadata",
      "initialize",
      "inpainterGraph",
      "inpainterPorts",
      "logScale",
      "mergeHalves",
      "networkStarts",
      "nextName",
      "nice",
      "paperMnist",
      "parameterCount",
      "parametersOf",
      "parseFlowConfig",
      "parted",
      "partitionOf",
      "partitionsOf",
      "ports",
      "preprocessingGraph",
      "priors",
      "refuse",
      "scaleInitial",
      "scaleInits",
      "slotName",
      "splitHalves",
      "stateArrays",
      "trainingGraph",
      "trainingStepGraph",
    ]
  `)
})
