import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { workspace } from '../niceflow.fixture.ts'
import { gpus, nvidiaGpus } from './gpus.ts'

const { path, remove } = workspace()
afterAll(remove)
afterEach(() => vi.unstubAllEnvs())

/** A program of that name which comes first. */
function nvidiaSmi(script: string): void {
  mkdirSync(path('bin'), { recursive: true })
  writeFileSync(path('bin', 'nvidia-smi'), `#!/bin/sh\n${script}\n`)
  chmodSync(path('bin', 'nvidia-smi'), 0o755)
  vi.stubEnv('PATH', [path('bin'), process.env.PATH].join(delimiter))
}

describe.runIf(process.platform === 'linux')('NVIDIA GPUs', () => {
  test('are those that nvidia-smi names, without lspci', async () => {
    nvidiaSmi("echo 'NVIDIA H100 80GB HBM3, 570.86.15, 81559'; echo 'GRID A100, 570.86.15, [N/A]'")
    const found = [
      { model: 'NVIDIA H100 80GB HBM3', vendor: 'NVIDIA', driver: '570.86.15', memoryMiB: 81559 },
      { model: 'GRID A100', vendor: 'NVIDIA', driver: '570.86.15' },
    ]
    expect(await nvidiaGpus(path('none'))).toEqual(found)
    expect((await gpus()).slice(0, 2)).toEqual(found)
  })

  test('are those that the driver lists, where nvidia-smi finds nothing', async () => {
    nvidiaSmi("echo 'No devices were found'; exit 6")
    expect(await nvidiaGpus(path('none'))).toEqual([])
    mkdirSync(path('driver', '0000:01:00.0'), { recursive: true })
    mkdirSync(path('driver', '0000:02:00.0'))
    writeFileSync(path('driver', '0000:01:00.0', 'information'), 'Model: \t\t NVIDIA L4\nIRQ: 5\n')
    expect((await nvidiaGpus(path('driver'))).map(({ model }) => model)).toEqual(['NVIDIA L4', 'an NVIDIA GPU'])
  })
})
