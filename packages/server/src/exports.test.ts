import { expect, test } from 'vitest'
import * as server from './index.ts'

test('the public surface is this and no more', () => {
  expect(Object.keys(server).sort()).toEqual(['RequestError', 'ServerError', 'createServer', 'defaultLimits'])
})
