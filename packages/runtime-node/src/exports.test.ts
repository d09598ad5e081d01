import { expect, test } from 'vitest'
import * as runtimeNode from './index.ts'

test('the public surface is this and no more', () => {
  expect(Object.keys(runtimeNode).sort()).toEqual([
    'InvalidBundleError',
    'loadFlow',
    'nodeDevices',
    'openSession',
    'probeDevices',
    'readBundle',
  ])
})
