import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { expect, test } from 'vitest'
import { asPlainUser, at, systemError, withFaults } from './faults.fixture.ts'
import { ensureFolder, probeFile, temporaryName, temporaryOf, writeAtomic } from './files.ts'
import { temporaryFolder } from './tiny.fixture.ts'

test('a file is written whole from text, bytes or pieces, and leaves nothing beside it', async () => {
  const dir = temporaryFolder()
  await writeAtomic(join(dir, 'a'), 'text')
  await writeAtomic(join(dir, 'b'), Uint8Array.of(1, 2))
  await writeAtomic(join(dir, 'c'), [Uint8Array.of(1), Uint8Array.of(2, 3)])
  expect(readdirSync(dir)).toEqual(['a', 'b', 'c'])
  expect(readFileSync(join(dir, 'a'), 'utf8')).toBe('text')
  expect([...readFileSync(join(dir, 'c'))]).toEqual([1, 2, 3])
})

test('pieces are written as they are made, and an error in their making leaves no file', async () => {
  const dir = temporaryFolder()
  async function* pieces(last: () => Uint8Array): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(1)
    yield last()
  }
  await writeAtomic(
    join(dir, 'a'),
    pieces(() => Uint8Array.of(2)),
  )
  const made = pieces(() => {
    throw new NiceflowError('no second piece')
  })
  await expect(writeAtomic(join(dir, 'b'), made)).rejects.toThrow(/^no second piece$/)
  expect(readdirSync(dir)).toEqual(['a'])
  expect([...readFileSync(join(dir, 'a'))]).toEqual([1, 2])
})

test.each([
  ['ENOSPC', 'free some space on the disk, then run the command again (train and score go on with --resume)'],
  ['EFBIG', 'raise the limit on file sizes, then run the command again (train and score go on with --resume)'],
  ['EROFS', 'choose a folder on a disk that can be written to'],
  ['EIO', undefined],
])('a write that fails with %s, at whatever change, leaves the earlier file and no other', async (code, remedy) => {
  const dir = temporaryFolder()
  const path = join(dir, 'checkpoint')
  await writeAtomic(path, 'earlier')
  const changes: string[] = []
  await withFaults(
    (change) => void changes.push(change),
    () => writeAtomic(path, 'earlier'),
  )
  expect(changes).toEqual([
    expect.stringMatching(/^open checkpoint\.\d+\.tmp$/),
    'write',
    'flush',
    expect.stringMatching(/^rename /),
    'flush the folder',
  ])
  for (const number of [1, 2, 3, 4]) {
    const fault = at(number, () => {
      throw systemError(code)
    })
    await expect(
      withFaults(fault, () =>
        writeAtomic(
          path,
          ['half', 'a file'].map((text) => Buffer.from(text)),
        ),
      ),
    ).rejects.toMatchObject({
      name: 'WriteError',
      message: `file ${path} cannot be written: ${code}`,
      remedy,
    })
    expect(readFileSync(path, 'utf8')).toBe('earlier')
    expect(readdirSync(dir)).toEqual(['checkpoint'])
  }
})

test('a folder without the right to write is named, with the way out, and keeps its files', async () => {
  const dir = temporaryFolder()
  const [path, remedy] = [join(dir, 'checkpoint'), 'choose a folder that you may write to']
  await writeAtomic(path, 'earlier')
  chmodSync(dir, 0o555)
  await asPlainUser(async () => {
    await expect(writeAtomic(path, 'new')).rejects.toMatchObject({ message: `file ${path} cannot be written: EACCES`, remedy })
    await expect(ensureFolder(dir)).rejects.toMatchObject({ message: `folder ${dir} cannot be written: EACCES`, remedy })
    await expect(ensureFolder(join(dir, 'run'))).rejects.toMatchObject({
      message: `folder ${join(dir, 'run')} cannot be written: EACCES`,
      remedy,
    })
  })
  expect(readFileSync(path, 'utf8')).toBe('earlier')
  expect(readdirSync(dir)).toEqual(['checkpoint'])
})

test('a folder that is missing is named, with the way out', async () => {
  const path = join(temporaryFolder(), 'nowhere', 'x')
  await expect(writeAtomic(path, '')).rejects.toMatchObject({
    message: `file ${path} cannot be written: ENOENT`,
    remedy: 'make its folder first',
  })
})

test('a file in the place of a folder, or among its parents, is named, with the way out', async () => {
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, 'kept')
  await expect(ensureFolder(file)).rejects.toMatchObject({
    message: `folder ${file} cannot be written: EEXIST`,
    remedy: 'choose a path that is not a file',
  })
  await expect(ensureFolder(join(file, 'run'))).rejects.toMatchObject({
    message: `folder ${join(file, 'run')} cannot be written: ENOTDIR`,
    remedy: 'choose a path whose parents are folders',
  })
  expect(readFileSync(file, 'utf8')).toBe('kept')
})

/** Where Linux shows its processes nobody makes a folder; Node's recursive `mkdir` never says so. */
const noFolders = '/proc'

test.runIf(existsSync(noFolders))('a parent that takes no folders is named, at once', async () => {
  await expect(ensureFolder(join(noFolders, 'x', 'run'))).rejects.toMatchObject({
    message: `folder ${noFolders}/x/run cannot be written: ENOENT`,
    remedy: 'make its folder first',
  })
})

test('a folder is made with its parents, or taken as it is', async () => {
  const dir = join(temporaryFolder(), 'a', 'b')
  await ensureFolder(dir)
  mkdirSync(join(dir, 'kept'))
  await ensureFolder(dir)
  expect(readdirSync(dir)).toEqual(['kept'])
})

/** Linux has a device on which there is never space. */
const full = '/dev/full'

test.runIf(existsSync(full))('a disk that is full is found out, though it takes files that hold nothing', async () => {
  const dir = temporaryFolder()
  symlinkSync(full, temporaryName(join(dir, probeFile)))
  await expect(ensureFolder(dir)).rejects.toMatchObject({ name: 'WriteError', message: `folder ${dir} cannot be written: ENOSPC` })
  expect(readdirSync(dir)).toEqual([])
})

test('temporaryOf(temporaryName(path)) is the path and this process, and other names are no temporaries', () => {
  expect(temporaryOf(temporaryName('last.safetensors'))).toEqual({ name: 'last.safetensors', pid: process.pid })
  expect(temporaryOf('notes.tmp')).toBeUndefined()
  const aside = temporaryName('bundle', 'old.tmp')
  expect(temporaryOf(aside, 'old.tmp')).toEqual({ name: 'bundle', pid: process.pid })
  expect(temporaryOf(aside)).toBeUndefined()
})
