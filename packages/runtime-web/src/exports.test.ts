import { expect, test } from 'vitest'
import * as runtimeWeb from './index.ts'

test('the public surface is this and no more', () => {
  expect(Object.keys(runtimeWeb).sort()).toEqual([
    'configure',
    'loadFlow',
    'openResidentSession',
    'openSession',
    'probeDevices',
    'webDevices',
  ])
})
