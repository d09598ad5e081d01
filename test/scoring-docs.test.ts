import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

/** The pages on likelihoods, scores and users' data: what they show runs, and says what they say. */

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const docs = join(root, 'packages', 'cli', 'docs')
const pages = ['likelihood.md', 'scoring.md', 'engines.md', 'your-data.md'].map((name) => ({
  name,
  text: readFileSync(join(docs, name), 'utf8'),
}))

/** Runs the JavaScript of a page at the top of the repository, whose packages and models it names; without a build, as tests are. */
async function output(name: string): Promise<string> {
  const code = /```js\n([\s\S]*?)```/.exec(pages.find((page) => page.name === name)!.text)![1]!
  const folder = await mkdtemp(join(root, 'test', 'docs-'))
  try {
    await writeFile(join(folder, 'page.mjs'), code)
    const flags = ['--conditions=@niceflow/source', '--import', 'tsx', join(folder, 'page.mjs')]
    return (await run(process.execPath, flags, { cwd: root })).stdout
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('the log-determinant of an additive flow is the same for every digit', async () => {
  const lines = [...(await output('likelihood.md')).matchAll(/^log p\(z\) (-?[\d.]+) \+ log det (-?[\d.]+) = (-?[\d.]+) nats$/gm)]
  expect(lines).toHaveLength(5)
  const determinants = lines.map(([, , determinant]) => Number(determinant))
  /** Sums of 784 float32 terms of a few nats, and two decimals. */
  const rounding = 0.02
  expect(Math.max(...determinants) - Math.min(...determinants)).toBeLessThan(rounding)
  expect(new Set(lines.map(([, prior]) => prior)).size).toBe(5)
})

test('few digits are outliers among digits', async () => {
  const [, outliers] = /: (\d+) outliers of 200\n$/.exec(await output('scoring.md'))!
  // A share of 0.05 of 200, to five standard deviations.
  expect(Math.abs(Number(outliers) - 10)).toBeLessThan(5 * Math.sqrt(200 * 0.05 * 0.95))
})

test("what a user's table holds is told, and read", async () => {
  expect(await output('your-data.md')).toBe(
    "column c is column a again, but for scale and shift: a density has no bound there; leave it out\n[ 'a', 'b' ] [ 150, 2 ] [ 50, 2 ]\n",
  )
})

describe.each(pages)('$name', ({ text }) => {
  test('names commands that there are', async () => {
    const { stdout } = await run(process.execPath, [join(root, 'packages', 'cli', 'bin', 'niceflow.mjs'), '--help'])
    for (const [, name] of text.matchAll(/niceflow ([a-z]+) /g)) expect(stdout).toContain(`niceflow ${name}`)
  })

  test('links to files that there are', async () => {
    for (const [, path] of text.matchAll(/\]\(((?!https?:)[^)#]+)(?:#[^)]*)?\)/g)) {
      expect(await readFile(join(docs, path!)).catch((error: NodeJS.ErrnoException) => error.code), path).not.toBe('ENOENT')
    }
  })
})
