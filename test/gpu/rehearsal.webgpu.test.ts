import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { graphics } from 'systeminformation'
import { expect, test } from 'vitest'

const flags = ['--conditions=@niceflow/source', '--import', 'tsx', join(import.meta.dirname, 'main.ts')]
/** Software compiles each shader for some milliseconds, and there are hundreds. */
const patience = 300_000
const suite = (...more: string[]) => spawnSync(process.execPath, [...flags, ...more], { encoding: 'utf8' })

test(
  'the suite for GPUs runs whole on what there is',
  () => {
    const { status, stdout, stderr } = suite('--rehearse', '--json')
    expect(stderr).not.toContain('not the numbers of the CPU')
    expect(status).toBe(0)
    const { rehearsal, results } = JSON.parse(stdout) as {
      rehearsal: boolean
      results: {
        engine: string
        device: string
        parity: Record<string, { holds: boolean }>
        speed: { msPerStep: number }[]
        fit: { validation: number }
      }[]
    }
    expect(rehearsal).toBe(true)
    expect(results.map(({ engine, device }) => `${engine} ${device}`)).toEqual(
      expect.arrayContaining(['onnxruntime cpu', 'onnxruntime webgpu']),
    )
    for (const { parity, speed, fit } of results) {
      expect(parity.small?.holds).toBe(true)
      for (const { msPerStep } of speed) expect(msPerStep).toBeGreaterThan(0)
      expect(fit.validation).toBeGreaterThan(0)
    }
  },
  patience,
)

const { controllers } = await graphics()

// A machine that has a GPU runs the suite by hand: it takes minutes.
test.runIf(controllers.length === 0)('without a GPU it refuses, with the reasons', () => {
  const { status, stderr } = suite()
  expect(status).toBe(1)
  expect(stderr).toContain('test:gpu needs a GPU')
  expect(stderr).toMatch(/no {2}onnxruntime on cuda: ./)
})
