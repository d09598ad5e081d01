import { expect, test } from 'vitest'
import * as runtimeNode from './index.ts'

test('the public surface is this and no more', () => {
  expect(Object.keys(runtimeNode).sort()).toEqual([
    'TensorflowError',
    'cacheFolder',
    'engineEnvironment',
    'environmentOf',
    'loadFlow',
    'loadParts',
    'loadTensorflow',
    'nativePackage',
    'nativePackages',
    'nodeDevices',
    'openResidentSession',
    'openSession',
    'probeDevices',
    'readBundle',
    'readRecord',
    'recordPath',
  ])
})
