import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '@niceflow/runtime-node'

/**
 * The interpreter of an environment with the packages of a pinned list, which is made where it is not there: outside of the clone, once for each
 * list, and taken for whole when its last file is there.
 * @param list `requirements-<list>.txt`
 */
export function pythonWith(list: string, onProgress: (what: string) => void): string {
  const requirements = join(import.meta.dirname, `requirements-${list}.txt`)
  const key = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16)
  const folder = join(cacheFolder(), 'python', `${list}-${key}`)
  const python = join(folder, 'bin', 'python')
  if (existsSync(join(folder, 'whole'))) return python
  onProgress(`making a Python environment of ${requirements} in ${folder}`)
  const run = (program: string, ...words: string[]): void => void execFileSync(program, words, { stdio: ['ignore', 'ignore', 'inherit'] })
  // An environment holds its own path, so it is made in its place, and only its last file makes it one.
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  run('python3', '-m', 'venv', folder)
  run(python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements)
  writeFileSync(join(folder, 'whole'), '')
  return python
}
