import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { workspace } from '../niceflow.fixture.ts'
import { findPython, pipArguments, pipFetch } from './pip.ts'
import { tinyWheel } from './wheel.fixture.ts'
import { tensorflowCpu } from './wheels.ts'

const { path, remove } = workspace()
afterAll(remove)

let made = 0

/** A folder with programs that are shell scripts. */
function programs(scripts: Readonly<Record<string, string>>): string {
  const folder = path(`bin-${++made}`)
  mkdirSync(folder)
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  return folder
}

const python = (versions: string): string => `echo '${versions}'`

describe('Python', () => {
  test('is python3 where that will do, else python', async () => {
    const good = python('[[3, 12, 1], "25.0"]')
    expect(await findPython({ PATH: programs({ python3: good }) })).toEqual({ command: 'python3', version: '3.12.1', pip: '25.0' })
    const env = { PATH: programs({ python3: python('[[3, 8, 0], "20.0"]'), python: good }) }
    expect(await findPython(env)).toMatchObject({ command: 'python' })
  })

  test('is the one that the user names', async () => {
    const named = join(programs({ mine: python('[[3, 9, 0], "21.0"]') }), 'mine')
    expect(await findPython({ PYTHON: named, PATH: programs({ python3: python('[[3, 12, 1], "25.0"]') }) })).toMatchObject({
      command: named,
    })
  })

  test.each<[string, Record<string, string>, string, RegExp]>([
    [
      'is not there',
      {},
      "python3 does not run: wheels are downloaded by pip, Python's installer",
      /^install Python 3\.9 or later with pip/,
    ],
    [
      'is too old',
      { python3: python('[[3, 8, 10], "20.0"]') },
      'python3: expected Python 3.9 or later, got 3.8.10',
      /^install a newer Python/,
    ],
    [
      'lacks pip',
      { python3: python('[[3, 11, 2], null]') },
      'python3 (Python 3.11.2) has no pip, which downloads the wheels',
      /^install pip \(apt install python3-pip/,
    ],
  ])('that %s is an error with its remedy', async (_, scripts, message, remedy) => {
    await expect(findPython({ PATH: programs(scripts) })).rejects.toMatchObject({ message, remedy: expect.stringMatching(remedy) })
  })
})

test('pip is asked for the pinned file, whatever Python it runs on', () => {
  const words = pipArguments(tensorflowCpu[0]!, '/draft', '/draft/requirements.txt').join(' ')
  expect(words).toContain('--no-deps --no-cache-dir')
  expect(words).toContain('--require-hashes')
  expect(words).toContain(
    '--python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --dest /draft',
  )
})

describe('a fetch', () => {
  const { wheel } = tinyWheel()
  const fetchInto = async (script: string): Promise<string> => {
    const folder = path(`draft-${++made}`)
    mkdirSync(folder)
    const command = join(programs({ python: script }), 'python')
    await pipFetch({ command, version: '3.11.0', pip: '24.0' }, () => {})(wheel, folder)
    return folder
  }

  test('gives pip the hash, and room for its temporary files on the same disk', async () => {
    const folder = await fetchInto('out=$TMPDIR/..; env > $out/env; cat $TMPDIR/requirements.txt > $out/tiny-1.0-py3-none-any.whl')
    expect(readFileSync(join(folder, wheel.file), 'utf8')).toBe(`tiny==1.0 --hash=sha256:${wheel.sha256}\n`)
    expect(readFileSync(join(folder, 'env'), 'utf8')).toContain(`TMPDIR=${join(folder, 'pip')}\n`)
  })

  test('that fails says what pip said', async () => {
    const script = 'echo "Looking in indexes"; echo "ERROR: No matching distribution found for tiny==1.0" >&2; exit 1'
    await expect(fetchInto(script)).rejects.toMatchObject({
      message: 'pip cannot fetch tiny-1.0-py3-none-any.whl: ERROR: No matching distribution found for tiny==1.0',
      remedy: expect.stringContaining('package index'),
    })
  })
})
