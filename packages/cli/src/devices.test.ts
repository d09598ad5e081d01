import { existsSync } from 'node:fs'
import { probeDevices } from '@niceflow/runtime-node'
import { afterAll, expect, test } from 'vitest'
import { answer, niceflow, tinyModel, workspace } from './niceflow.fixture.ts'

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
