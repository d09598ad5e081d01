import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nativePackage } from './libraries.ts'
import { mendUtil, reasonOf } from './tensorflow.ts'

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

test('on Node 23 and newer, every function of `util` that the package calls is there', () => {
  const dist = join(nativePackage('tfjs')!.folder, 'dist')
  const sources = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.js') && !file.endsWith('_test.js'),
  )
  const called = new Set(
    sources.flatMap((file) => [...readFileSync(join(dist, file), 'utf8').matchAll(/\(0, util_1\.(\w+)\)/g)].map(([, name]) => name!)),
  )
  // Node 23 dropped the tests of types (DEP0044 to DEP0059), all but this one.
  const kept = Object.entries(createRequire(import.meta.url)('node:util') as Record<string, unknown>).filter(
    ([name]) => name === 'isDeepStrictEqual' || !/^is[A-Z]/.test(name),
  )
  const util: Record<string, unknown> = Object.fromEntries(kept)
  const missing = (): string[] => [...called].filter((name) => typeof util[name] !== 'function').sort()
  expect(missing()).toEqual(['isArray', 'isNullOrUndefined'])
  mendUtil(util)
  expect(missing()).toEqual([])
  const { isArray, isNullOrUndefined } = util as Record<string, (value: unknown) => boolean>
  expect([[], 'a', null].map(isArray!)).toEqual([true, false, false])
  expect([null, undefined, 0, ''].map(isNullOrUndefined!)).toEqual([true, true, false, false])
})
