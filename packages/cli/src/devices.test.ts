import { existsSync } from 'node:fs'
import { probeDevices } from '@niceflow/runtime-node'
import { afterAll, expect, test } from 'vitest'
import { answer, niceflow, type Outcome, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

/** A device that is asked for by name is the one that runs, or the command fails: never silently another. */
for (const { device, usable, reason, remedy } of await probeDevices()) {
  const words = ['train', ...tinyModel, '--max-iter', '1', '--out', path(device), '--device', device]
  if (usable) {
    test(`train --device ${device} runs there`, async () => {
      expect(await answer(words)).toMatchObject({ device, epochs: 1 })
    })
  } else {
    test(`train --device ${device} says at once why it cannot and what would help`, async () => {
      const { code, stdout, stderr } = await niceflow(words)
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      // What Vulkan's loader misses it says itself, before.
      expect(stderr.endsWith(`niceflow: device ${device} cannot be used: ${reason}\n  ${remedy}\n`), stderr).toBe(true)
      expect(existsSync(path(device, 'last.safetensors'))).toBe(false)
    })
  }
}

test('a flag of cuda is warned of, once, where auto comes to another device', async () => {
  // In sight of no CUDA GPU.
  const env = { CUDA_VISIBLE_DEVICES: '-1' }
  const warned = ({ stderr }: Outcome): string[] => stderr.split('\n').filter((line) => line.startsWith('warning: --'))
  const warning = (flag: string): string => `warning: ${flag} does nothing on cpu, which auto came to; --device cuda says why not cuda`
  const trained = await niceflow(['train', ...tinyModel, '--max-iter', '1', '--sample-size', '0', '--out', path('auto'), '--tf32'], { env })
  expect(warned(trained), trained.stderr).toEqual([warning('--tf32')])
  const exported = await niceflow(['export', path('auto'), '--out', path('bundle'), '--dtype', 'fp32,q8', '--device-id', '3'], { env })
  expect(warned(exported), exported.stderr).toEqual([warning('--device-id')])
})
