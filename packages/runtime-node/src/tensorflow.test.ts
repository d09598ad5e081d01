import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nativePackage } from './libraries.ts'
import { reasonOf } from './tensorflow.ts'

test('the package is installed, with or without its addon', () => {
  const { folder, version } = nativePackage('tfjs')!
  expect(version).toBe('4.22.0')
  expect(existsSync(join(folder, 'binding', 'tfjs_binding.cc'))).toBe(true)
})

/** What `@tensorflow/tfjs-node-gpu` 4.22.0 and the loader throw, recorded where the thing in question is missing. */
test.each([
  [
    "The Node.js native addon module (tfjs_binding.node) can not be found at path: /app/lib/napi-v8/tfjs_binding.node. Please run command 'npm rebuild @tensorflow/tfjs-node-gpu --build-addon-from-source' to rebuild the native addon module.",
    '@tensorflow/tfjs-node-gpu has no native addon: its install script did not run',
  ],
  [
    'libtensorflow_cc.so.2: cannot open shared object file: No such file or directory',
    '@tensorflow/tfjs-node-gpu does not load: libtensorflow_cc.so.2 was not found',
  ],
  [
    '/app/lib/napi-v8/tfjs_binding.node: undefined symbol: TF_Version',
    '@tensorflow/tfjs-node-gpu does not load: /app/lib/napi-v8/tfjs_binding.node: undefined symbol: TF_Version',
  ],
])('%s', (message, reason) => {
  expect(reasonOf(message)).toBe(reason)
})
