import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '@niceflow/runtime-node'

/**
 * The interpreter of an environment with the packages of a pinned list, which is made where it is not there: outside of the clone, once for each
 * list, and taken for whole when its last file is there. The process goes on meanwhile: a server in it that stood still would turn clients away.
 * @param list `requirements-<list>.txt`
 */
export async function pythonWith(list: string, onProgress: (what: string) => void): Promise<string> {
  const requirements = join(import.meta.dirname, `requirements-${list}.txt`)
  const key = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16)
  const folder = join(cacheFolder(), 'python', `${list}-${key}`)
  const python = join(folder, 'bin', 'python')
  if (existsSync(join(folder, 'whole'))) return python
  onProgress(`making a Python environment of ${requirements} in ${folder}`)
  const run = async (program: string, ...words: string[]): Promise<void> => {
    const [code] = await once(spawn(program, words, { stdio: ['ignore', 'ignore', 'inherit'] }), 'exit')
    if (code !== 0) throw new Error(`${program} ${words.join(' ')}: expected exit code 0, got ${code}`)
  }
  // An environment holds its own path, so it is made in its place, and only its last file makes it one.
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await run('python3', '-m', 'venv', folder)
  await run(python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements)
  writeFileSync(join(folder, 'whole'), '')
  return python
}
