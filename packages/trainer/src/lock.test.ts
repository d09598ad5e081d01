import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs, { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { asPlainUser, systemError } from './faults.fixture.ts'
import { lockFile, lockFolder } from './lock.ts'
import { temporaryFolder } from './tiny.fixture.ts'

test('one at a time holds a folder, and gives it back', () => {
  const dir = temporaryFolder()
  const release = lockFolder(dir)
  expect(readFileSync(join(dir, lockFile), 'utf8')).toBe(`${process.pid}\n`)
  expect(() => lockFolder(dir)).toThrow(`run ${dir}: process ${process.pid} is training in it`)
  release()
  expect(readdirSync(dir)).toEqual([])
  lockFolder(dir)()
})

test('the lock of a process that runs is respected, and that of one that is gone taken over', async () => {
  const dir = temporaryFolder()
  const path = join(dir, lockFile)
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  writeFileSync(path, `${other.pid}\n`)
  expect(() => lockFolder(dir)).toThrow(
    expect.objectContaining({
      name: 'LockedError',
      message: `run ${dir}: process ${other.pid} is training in it`,
      remedy: `wait for it or stop it; if process ${other.pid} is another program's by now, remove ${path}`,
      usage: false,
    }),
  )
  expect(readFileSync(path, 'utf8')).toBe(`${other.pid}\n`)
  other.kill('SIGKILL')
  await once(other, 'exit')
  const release = lockFolder(dir)
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`)
  expect(readdirSync(dir)).toEqual([lockFile])
  release()
})

test.each([
  ["an earlier process's of the same number", `${process.pid}\n`],
  ["a process's that was ended before it could write", ''],
  ['no number', 'mine\n'],
])('a lock that nobody holds is taken over: %s', (_, text) => {
  const dir = temporaryFolder()
  writeFileSync(join(dir, lockFile), text)
  lockFolder(dir)()
  expect(readdirSync(dir)).toEqual([])
})

/** Does work with one of the system's functions replaced. */
function withSystem<T>(changes: Partial<Pick<typeof fs, 'linkSync' | 'renameSync'>>, work: () => T): T {
  const { linkSync, renameSync } = fs
  Object.assign(fs, changes)
  syncBuiltinESMExports()
  try {
    return work()
  } finally {
    Object.assign(fs, { linkSync, renameSync })
    syncBuiltinESMExports()
  }
}

test('of two that find a folder free at the same time one gets it', () => {
  const dir = temporaryFolder()
  const path = join(dir, lockFile)
  const { linkSync } = fs
  const late: typeof linkSync = (from, to) => {
    // The lock is whole when it is there, or it would be taken for nobody's.
    expect(readFileSync(from, 'utf8')).toBe(`${process.pid}\n`)
    writeFileSync(path, `${process.ppid}\n`)
    linkSync(from, to)
  }
  expect(() => withSystem({ linkSync: late }, () => lockFolder(dir))).toThrow(`process ${process.ppid} is training in it`)
  expect(readFileSync(path, 'utf8')).toBe(`${process.ppid}\n`)
  expect(readdirSync(dir)).toEqual([lockFile])
})

/** Always runs. */
const first = 1

test.each([
  ['is put back', undefined, process.ppid],
  ['does not replace that of a third who came in between', first, first],
])('a new lock that is moved away with a stale one %s', (_, third, holder) => {
  const dir = temporaryFolder()
  const path = join(dir, lockFile)
  const { renameSync } = fs
  writeFileSync(path, `${spawnSync(process.execPath, ['-e', '']).pid}\n`)
  const late: typeof renameSync = (from, to) => {
    const away = from === path
    if (away) writeFileSync(path, `${process.ppid}\n`)
    renameSync(from, to)
    if (away && third !== undefined) writeFileSync(path, `${third}\n`)
  }
  expect(() => withSystem({ renameSync: late }, () => lockFolder(dir))).toThrow(`process ${holder} is training in it`)
  expect(readFileSync(path, 'utf8')).toBe(`${holder}\n`)
  expect(readdirSync(dir)).toEqual([lockFile])
})

test('what has become the lock of another is not given back', () => {
  const dir = temporaryFolder()
  const release = lockFolder(dir)
  writeFileSync(join(dir, lockFile), `${process.ppid}\n`)
  release()
  expect(readFileSync(join(dir, lockFile), 'utf8')).toBe(`${process.ppid}\n`)
})

test('a disk on which files have one name only has locks too', () => {
  const dir = temporaryFolder()
  const linkSync = (): never => {
    throw systemError('EPERM')
  }
  withSystem({ linkSync }, () => {
    const release = lockFolder(dir)
    expect(readFileSync(join(dir, lockFile), 'utf8')).toBe(`${process.pid}\n`)
    expect(() => lockFolder(dir)).toThrow(`process ${process.pid} is training in it`)
    release()
  })
  expect(readdirSync(dir)).toEqual([])
})

test('a folder that cannot be written to is named', async () => {
  const dir = temporaryFolder()
  chmodSync(dir, 0o555)
  await asPlainUser(async () => expect(() => lockFolder(dir)).toThrow(`file ${join(dir, lockFile)} cannot be written: EACCES`))
  chmodSync(dir, 0o755)
  mkdirSync(join(dir, lockFile))
  expect(() => lockFolder(dir)).toThrow(`file ${join(dir, lockFile)} cannot be written: EISDIR`)
  expect(readdirSync(dir)).toEqual([lockFile])
})
