import { expect, test } from 'vitest'
import * as runtime from './index.ts'
import * as laws from './laws.ts'

test('the public surface is this and no more', () => {
  expect(Object.keys(runtime).sort()).toEqual([
    'DeviceUnavailableError',
    'Flow',
    'InpaintingDivergedError',
    'MissingInpainterError',
    'NonFiniteLikelihoodError',
    'SessionError',
    'assertRun',
    'averageDraws',
    'byImportance',
    'defaultMaxBatch',
    'exampleRows',
    'filesOf',
    'floatRows',
    'inpaintMethods',
    'interpolationKinds',
    'latentReach',
    'latentScales',
    'makeMasks',
    'maskNames',
    'priorRows',
    'probeInput',
    'probeModel',
    'probeOutput',
    'probeProduct',
    'selectVariant',
    'sweepProbabilities',
  ])
  expect(Object.keys(laws)).toEqual(['sessionLaws'])
})
