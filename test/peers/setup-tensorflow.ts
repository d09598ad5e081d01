import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** Sets TensorFlow up as a user does, out of the cache where an earlier run has filled it. */
export default function setup(): void {
  const bin = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'bin', 'niceflow.mjs')
  const words = [bin, 'setup', 'tensorflow', '--source', 'pypi', '--json']
  execFileSync(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] })
}
