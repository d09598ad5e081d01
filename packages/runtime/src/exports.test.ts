import { expect, test } from 'vitest'
import * as runtime from './index.ts'
import * as laws from './laws.ts'
import * as onnxruntime from './onnxruntime.ts'

test('the public surface is this and no more', () => {
  expect(Object.keys(runtime).sort()).toEqual([
    'DeviceUnavailableError',
    'Flow',
    'InpaintingDivergedError',
    'InvalidBundleError',
    'MissingInpainterError',
    'NonFiniteLikelihoodError',
    'SessionError',
    'assertRun',
    'averageDraws',
    'bundleErrors',
    'byImportance',
    'defaultMaxBatch',
    'exampleRows',
    'filesOf',
    'floatRows',
    'inpaintMethods',
    'interpolationKinds',
    'latentReach',
    'latentScales',
    'likelihoodShares',
    'makeMasks',
    'maskNames',
    'priorRows',
    'probeDevice',
    'probeInput',
    'probeModel',
    'probeOutput',
    'probeProduct',
    'reportFile',
    'selectVariant',
    'sweepProbabilities',
  ])
  expect(Object.keys(laws)).toEqual(['sessionLaws'])
  expect(Object.keys(onnxruntime).sort()).toEqual(['OrtSession', 'oneLine'])
})
