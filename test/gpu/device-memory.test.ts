import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { watchDeviceMemory } from './device-memory.ts'

/** A program of that name which comes before all others. */
function nvidiaSmi(script: string): void {
  const bin = mkdtempSync(join(tmpdir(), 'niceflow-'))
  writeFileSync(join(bin, 'nvidia-smi'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(bin, 'nvidia-smi'), 0o755)
  vi.stubEnv('PATH', [bin, process.env.PATH].join(delimiter))
  onTestFinished(() => {
    vi.unstubAllEnvs()
    rmSync(bin, { recursive: true })
  })
}

test.runIf(process.platform === 'linux')('the peak is the most that a GPU held at any look, beyond the first', async () => {
  // The second GPU is in use by somebody else, and the peak is gone before the end.
  const looks = ['0, 10', '1, 5000', '0, 700', '1, 5001', '0, 30', '1, 5000']
  nvidiaSmi(`printf '${looks.join('\\n')}\\n'`)
  const memory = await watchDeviceMemory()
  expect(await memory.stop()).toBe(690)
  expect(await memory.stop()).toBe(690)
})

test('where no driver tells, nothing is known', async () => {
  nvidiaSmi("echo 'No devices were found'; exit 6")
  expect(await (await watchDeviceMemory()).stop()).toBeNull()
  vi.stubEnv('PATH', '')
  expect(await (await watchDeviceMemory()).stop()).toBeNull()
})
