import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { workspace } from '../niceflow.fixture.ts'
import { zipOf } from './wheel.fixture.ts'
import { unzip } from './zip.ts'

const { path, remove } = workspace()
afterAll(remove)

const files = { 'a/b.txt': 'one'.repeat(10_000), 'a/c/d.txt': 'two', 'e.txt': '', 'folder/': '' }
let made = 0

function archive(bytes: Uint8Array): { readonly file: string; readonly out: string } {
  const [file, out] = [path(`${++made}.zip`), path(`${made}`)]
  writeFileSync(file, bytes)
  return { file, out }
}

test.each([0, 8] as const)('files come out as they went in (method %i)', async (method) => {
  const { file, out } = archive(zipOf(files, method))
  expect(await unzip(file, out, () => true)).toBe(30_003)
  for (const name of ['a/b.txt', 'a/c/d.txt', 'e.txt'] as const) expect(readFileSync(`${out}/${name}`, 'utf8')).toBe(files[name])
})

test('only those that are wanted', async () => {
  const { file, out } = archive(zipOf(files))
  expect(await unzip(file, out, (name) => name.startsWith('a/c/'))).toBe(3)
  expect(readdirSync(out, { recursive: true })).toEqual(['a', 'a/c', 'a/c/d.txt'])
})

describe('an archive is refused', () => {
  const sound = zipOf(files)
  const spoilt = Buffer.from(sound)
  spoilt.fill(0xff, 40, 60)
  test.each<[string, Uint8Array, string]>([
    ['that is none', Buffer.from('<html>'), 'it has no list of files'],
    ['that is empty', Buffer.alloc(0), 'it has no list of files'],
    ['that is cut short', sound.subarray(0, sound.length - 30), 'it has no list of files'],
    ['that lacks its beginning', sound.subarray(100), 'its list of files is cut short'],
    ['with damaged contents', spoilt, 'a/b.txt does not inflate'],
    ['that leads out of its folder', zipOf({ 'a/../../b.txt': 'x' }), 'a/../../b.txt leads out of its folder'],
    ['with an absolute path', zipOf({ '/b.txt': 'x' }), '/b.txt leads out of its folder'],
  ])('%s', async (_, bytes, reason) => {
    const { file, out } = archive(bytes)
    await expect(unzip(file, out, () => true)).rejects.toMatchObject({
      message: `${file}: not a zip archive that can be read: ${reason}`,
      remedy: 'fetch it again',
    })
  })
})
