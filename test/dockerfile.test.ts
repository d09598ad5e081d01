import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** The image for GPUs is built where Docker is; what it names must be there in any checkout. */

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const dockerfile = read('packages/cli/Dockerfile')
const instructions = [...dockerfile.replace(/\\\n/g, ' ').matchAll(/^([A-Z]+) (.+)$/gm)].map(([, name, words]) => [name!, words!] as const)
const wordsOf = (wanted: string): string[] => instructions.filter(([name]) => name === wanted).map(([, words]) => words)

test('its commands are scripts of the repository, and set up a GPU', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const named = wordsOf('RUN').flatMap((words) => [...words.matchAll(/npm run (\S+)/g)].map(([, name]) => name!))
  expect(named).toEqual(['build', 'setup:gpu'])
  for (const name of named) expect(scripts).toHaveProperty(name)
  expect(scripts['setup:gpu']).toBe('niceflow setup gpu')
})

test('it starts a file that it copies, and leaves out none that it needs', () => {
  const [home] = wordsOf('WORKDIR')
  expect(wordsOf('COPY')).toEqual(['. .'])
  const [, program] = JSON.parse(wordsOf('ENTRYPOINT')[0]!) as [string, string]
  expect(program.startsWith(`${home}/`)).toBe(true)
  const needed = [
    program.slice(home!.length + 1),
    'package-lock.json',
    '.npmrc',
    'turbo.json',
    'tsconfig.base.json',
    'packages/cli/src/main.ts',
  ]
  const ignored = read('packages/cli/Dockerfile.dockerignore').trim().split('\n')
  for (const path of needed) {
    expect(existsSync(join(root, path)), path).toBe(true)
    expect(
      ignored.filter((pattern) => leavesOut(pattern, path)),
      path,
    ).toEqual([])
  }
  expect(ignored.some((pattern) => leavesOut(pattern, 'packages/cli/node_modules/a.js'))).toBe(true)
})

/** Of the patterns of .dockerignore those in use: a path from the root, or a name at any depth. */
function leavesOut(pattern: string, path: string): boolean {
  return pattern.startsWith('**/') ? path.split('/').includes(pattern.slice(3)) : `${path}/`.startsWith(`${pattern}/`)
}

test('the lines that it is built and run with are those of the README', () => {
  const readme = read('README.md')
  const lines = [...dockerfile.matchAll(/^# {3}(docker .+)$/gm)].map(([, line]) => line!)
  expect(lines.map((line) => line.split(' ')[1])).toEqual(['build', 'run'])
  for (const line of lines) expect(readme).toContain(line)
  expect(lines[0]).toContain('--file packages/cli/Dockerfile --tag niceflow-gpu')
  expect(lines[1]).toContain('--runtime=nvidia --rm -v DATA:/data -v RUNS:/runs niceflow-gpu train')
})
