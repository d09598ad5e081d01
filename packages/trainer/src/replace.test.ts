import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { replaceFolder } from './replace.ts'
import { temporaryFolder } from './tiny.fixture.ts'

const allowed = async (): Promise<void> => undefined

/** A folder of one file, in a folder of its own. */
function folderOf(content: string, name = 'bundle', dir: string = temporaryFolder()): string {
  mkdirSync(join(dir, name))
  writeFileSync(join(dir, name, 'file'), content)
  return join(dir, name)
}

const contentOf = (folder: string): string => readFileSync(join(folder, 'file'), 'utf8')
const beside = (folder: string): string[] => readdirSync(join(folder, '..')).sort()

const write =
  (content: string) =>
  async (draft: string): Promise<string> => {
    writeFileSync(join(draft, 'file'), content)
    return content
  }

/** The number of a process that has ended. */
const ended = (): number => spawnSync(process.execPath, ['-e', '']).pid

test('the folder takes its name when it is made, and what was there is there until then', async () => {
  const folder = folderOf('old')
  const answer = await replaceFolder(folder, allowed, async (draft) => {
    expect(contentOf(folder)).toBe('old')
    expect(readdirSync(draft)).toEqual([])
    return write('new')(draft)
  })
  expect([answer, contentOf(folder), beside(folder)]).toEqual(['new', 'new', ['bundle']])
})

test('a folder that was not there is made with its parents', async () => {
  const folder = join(temporaryFolder(), 'a', 'bundle')
  await replaceFolder(folder, allowed, write('new'))
  expect([contentOf(folder), beside(folder)]).toEqual(['new', ['bundle']])
})

test('a failure leaves what was there, and nothing beside it', async () => {
  const folder = folderOf('old')
  const failing = replaceFolder(folder, allowed, async (draft) => {
    await write('half')(draft)
    throw new Error('the figures are wrong')
  })
  await expect(failing).rejects.toThrow('the figures are wrong')
  expect([contentOf(folder), beside(folder)]).toEqual(['old', ['bundle']])
})

test('a swap that fails half-way puts back what was there', async () => {
  const folder = folderOf('old')
  const failing = replaceFolder(folder, allowed, async (draft) => rmSync(draft, { recursive: true }))
  await expect(failing).rejects.toMatchObject({ name: 'WriteError', message: `folder ${folder} cannot be written: ENOENT` })
  expect([contentOf(folder), beside(folder)]).toEqual(['old', ['bundle']])
})

test('what must not be replaced is not, even where it came while the work was done', async () => {
  const folder = join(temporaryFolder(), 'bundle')
  const unlessThere = async (): Promise<void> => {
    if (beside(folder).includes('bundle')) throw new Error('there is one already')
  }
  const late = replaceFolder(folder, unlessThere, async (draft) => {
    folderOf("another's", 'bundle', join(folder, '..'))
    await write('mine')(draft)
  })
  await expect(late).rejects.toThrow('there is one already')
  expect([contentOf(folder), beside(folder)]).toEqual(["another's", ['bundle']])
})

test('what killed processes left is removed; what living ones and others have there stays', async () => {
  const folder = folderOf('old')
  const dir = join(folder, '..')
  const [dead, alive] = [ended(), process.ppid]
  // An earlier process may have had our number. A bundle of the name bundle.old has temporary names too.
  const gone = [dead, process.pid].flatMap((pid) => [`bundle.${pid}.tmp`, `bundle.${pid}.old.tmp`])
  const kept = [
    `bundle.${alive}.tmp`,
    `bundle.${alive}.old.tmp`,
    `other.${dead}.tmp`,
    `bundle.old.${dead}.tmp`,
    'bundle.tmp',
    'bundle.old.tmp',
  ]
  for (const name of [...gone, ...kept]) folderOf('left', name, dir)
  await replaceFolder(folder, allowed, write('new'))
  expect(contentOf(folder)).toBe('new')
  expect(beside(folder)).toEqual(['bundle', ...kept].sort())
})

test.each([
  ['another number', ended],
  ['our number', () => process.pid],
])('a process of %s killed between the two halves of a swap loses nothing: the old folder gets its name back', async (_, number) => {
  const dir = temporaryFolder()
  folderOf('old', `bundle.${number()}.old.tmp`, dir)
  const folder = join(dir, 'bundle')
  const failing = replaceFolder(folder, allowed, async () => {
    expect(contentOf(folder)).toBe('old')
    throw new Error('failed again')
  })
  await expect(failing).rejects.toThrow('failed again')
  expect([contentOf(folder), beside(folder)]).toEqual(['old', ['bundle']])
})
