import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { afterAll, expect, test } from 'vitest'
import { workspace } from '../niceflow.fixture.ts'
import { tinyWheel } from './wheel.fixture.ts'
import { cachedWheel, type Fetch, isCached, wheelFolder } from './wheel-cache.ts'

const { path, remove } = workspace()
afterAll(remove)

let made = 0
const newCache = (): string => path(`cache-${++made}`)

const { wheel, bytes } = tinyWheel()
const fetch: Fetch = async ({ file }, folder) => writeFileSync(join(folder, file), bytes)
const never: Fetch = async () => {
  throw new Error('nothing is to be fetched')
}

test('a wheel is fetched once, and what is kept of it lies under its name', async () => {
  const cache = newCache()
  expect(await isCached(cache, wheel)).toBe(false)
  const folder = await cachedWheel(cache, wheel, fetch)
  expect(folder).toBe(join(cache, 'wheels', `tiny-1.0-${wheel.sha256.slice(0, 12)}`))
  expect(readdirSync(folder, { recursive: true })).toEqual(['tiny', 'tiny/lib', 'tiny/lib/libtiny.so'])
  expect(readFileSync(join(folder, 'tiny/lib/libtiny.so'), 'utf8')).toBe('library')
  expect(await cachedWheel(cache, wheel, never)).toBe(folder)
})

test('other contents under the same name are another folder', () => {
  expect(wheelFolder('/cache', { ...wheel, sha256: 'f'.repeat(64) })).not.toBe(wheelFolder('/cache', wheel))
})

test.each<[string, Fetch, string, Partial<typeof wheel>]>([
  [
    'that is not what was pinned',
    async ({ file }, folder) => writeFileSync(join(folder, file), 'another'),
    'tiny-1.0-py3-none-any.whl: expected SHA-256',
    {},
  ],
  ['that lacks what is kept', fetch, 'tiny-1.0-py3-none-any.whl: expected 8 bytes of files that are kept, got 7', { keptBytes: 8 }],
  [
    'that breaks off',
    async ({ file }, folder) => {
      writeFileSync(join(folder, file), bytes.subarray(0, 50))
      throw new NiceflowError('the line is dead')
    },
    'the line is dead',
    {},
  ],
])('a fetch %s leaves nothing', async (_, faulty, message, changes) => {
  const cache = newCache()
  await expect(cachedWheel(cache, { ...wheel, ...changes }, faulty)).rejects.toThrow(message)
  expect(readdirSync(join(cache, 'wheels'))).toEqual([])
})

test('what a killed setup left is not trusted, and goes', async () => {
  const cache = newCache()
  const folder = wheelFolder(cache, wheel)
  const dead = spawnSync(process.execPath, ['--version']).pid
  const left = `${folder}.${dead}.tmp`
  mkdirSync(join(left, 'tiny', 'lib'), { recursive: true })
  writeFileSync(join(left, 'tiny', 'lib', 'libtiny.so'), 'lib')
  expect(await isCached(cache, wheel)).toBe(false)
  await cachedWheel(cache, wheel, fetch)
  expect(readdirSync(join(cache, 'wheels'))).toEqual([folder.split('/').at(-1)])
})
