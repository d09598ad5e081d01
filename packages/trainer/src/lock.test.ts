import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { asPlainUser } from './faults.fixture.ts'
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

test('a folder that cannot be written to is named', async () => {
  const dir = temporaryFolder()
  chmodSync(dir, 0o555)
  await asPlainUser(async () => expect(() => lockFolder(dir)).toThrow(`file ${join(dir, lockFile)} cannot be written: EACCES`))
  chmodSync(dir, 0o755)
  mkdirSync(join(dir, lockFile))
  expect(() => lockFolder(dir)).toThrow(`file ${join(dir, lockFile)} cannot be written: EISDIR`)
  expect(readdirSync(dir)).toEqual([lockFile])
})
