import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const flags = ['--conditions=@niceflow/source', '--import', 'tsx', join(import.meta.dirname, 'main.ts')]
/** Software compiles each shader for some milliseconds, and there are hundreds. */
const patience = 300_000
/** In sight of no CUDA GPU: Vulkan's is SwiftShader. */
const env = { ...process.env, CUDA_VISIBLE_DEVICES: '-1' }
const suite = (...more: string[]) => spawnSync(process.execPath, [...flags, ...more], { encoding: 'utf8', env })

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
        placement: { nodes: number; strangers: string[] } | null
        speed: { msPerStep: number }[]
        fit: { validation: number }
      }[]
    }
    expect(rehearsal).toBe(true)
    expect(results.map(({ engine, device }) => `${engine} ${device}`)).toEqual(
      expect.arrayContaining(['onnxruntime cpu', 'onnxruntime webgpu']),
    )
    for (const { engine, parity, placement, speed, fit } of results) {
      expect(parity.small?.holds).toBe(true)
      expect(placement).toEqual(engine === 'tfjs' ? null : expect.objectContaining({ strangers: [] }))
      if (placement) expect(placement.nodes).toBeGreaterThan(100)
      for (const { msPerStep } of speed) expect(msPerStep).toBeGreaterThan(0)
      expect(fit.validation).toBeGreaterThan(0)
    }
  },
  patience,
)

test('without a GPU it refuses, with the reasons, and software that calls itself one does not count', () => {
  const { status, stderr } = suite('--gpus=')
  expect(status).toBe(1)
  expect(stderr).toContain('ok  onnxruntime on webgpu')
  expect(stderr).toContain('test:gpu needs a GPU that an engine can use; this machine has no GPU')
  expect(stderr).toMatch(/no {2}onnxruntime on cuda: ./)
})
