import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const readme = await readFile(join(root, 'README.md'), 'utf8')
const run = promisify(execFile)

test('the lines of code on the first screen run, and rate a moon above the plain', async () => {
  const code = /```js\n([\s\S]*?)```/.exec(readme)![1]!
  // Inside the repository, where its packages are found; without a build, as tests are.
  const folder = await mkdtemp(join(root, 'test', 'readme-'))
  try {
    await writeFile(join(folder, 'moons.mjs'), code)
    const flags = ['--conditions=@niceflow/source', '--import', 'tsx', 'moons.mjs']
    const { stdout } = await run(process.execPath, flags, { cwd: folder })
    const [, on, off] = /Float64Array\(2\) \[ (-?[\d.]+), (-?[\d.]+) \]/.exec(stdout)!
    // Two bands some 3 long and 0.2 wide hold a density of about 0.8: -0.2 nats.
    expect(Math.abs(Number(on) + 0.2)).toBeLessThan(0.5)
    expect(Number(off)).toBeLessThan(-5)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the first screen holds fifteen lines of code at most', () => {
  const lines = /```js\n([\s\S]*?)```/
    .exec(readme)![1]!
    .split('\n')
    .filter((line) => line && !line.startsWith('import'))
  expect(lines.length).toBeLessThanOrEqual(15)
})

test('every command in it is one that the command line knows', async () => {
  const { stdout } = await run(process.execPath, [join(root, 'packages', 'cli', 'bin', 'niceflow.mjs'), '--help'])
  const named = [...readme.matchAll(/npx niceflow ([a-z]+)/g)].map(([, name]) => name!)
  expect(named.length).toBeGreaterThan(5)
  for (const name of named) expect(stdout).toContain(`niceflow ${name}`)
})

test('every file that it links to exists', async () => {
  const links = [...readme.matchAll(/\]\(((?!https?:)[^)]+)\)/g)].map(([, path]) => path!)
  for (const path of links)
    await expect(readFile(join(root, path)).catch((error: NodeJS.ErrnoException) => error.code)).resolves.not.toBe('ENOENT')
})
