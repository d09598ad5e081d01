import { tensor } from '@niceflow/core'
import { presets, resolveRecipe, startRun } from '@niceflow/trainer'
import { expect, test } from 'vitest'
import { placed, placement } from './placement.ts'

const [steps, batch, dim] = [3, 4, 6]
const recipe = resolveRecipe(presets.paper, { flow: { couplings: 2, hiddenLayers: 1, hiddenDim: 8 }, training: { validation: 2 } }, dim)
const rows = tensor(
  'float32',
  [steps * batch, dim],
  Float32Array.from({ length: steps * batch * dim }, (_, i) => ((7 * i) % 31) / 31),
)
const data = { name: 'toy', sha256: '0'.repeat(64), imageShape: null, examples: rows }
const { arrays, constants } = await startRun(data, recipe)
const on = (device: 'cpu' | 'webgpu') =>
  placement(
    { device, recipe, constants },
    { step: 0, arrays },
    { x: { ...rows, dims: [steps, batch, dim] }, learningRates: [1e-3, 1e-3, 1e-3] },
  )

test('every node of a step runs on WebGPU', async () => {
  const { nodes, ...where } = await on('webgpu')
  expect(where).toEqual({ providers: ['WebGpuExecutionProvider'], strangers: [] })
  expect(nodes).toBeGreaterThan(100 * steps)
})

test("a profile reaches into a Loop's body", async () => {
  const { nodes, ...where } = await on('cpu')
  expect(where).toEqual({ providers: ['CPUExecutionProvider'], strangers: [] })
  expect(nodes).toBeGreaterThan(100 * steps)
})

test('a node that fell back is named, and integers may stay on the CPU', () => {
  const [cuda, cpu] = ['CUDAExecutionProvider', 'CPUExecutionProvider']
  const float = [{ type: 'float', dims: [4] }]
  const nodes = [
    { op: 'Loop', provider: cuda, outputs: float },
    { op: 'Gemm', provider: cuda, outputs: float },
    { op: 'Shape', provider: cpu, outputs: [{ type: 'int64', dims: [2] }] },
    { op: 'MemcpyToHost', provider: cpu, outputs: float },
  ]
  expect(placed('cuda', nodes)).toEqual({ nodes: 4, providers: [cpu, cuda], strangers: [] })
  expect(placed('cuda', [...nodes, { op: 'Tanh', provider: cpu, outputs: float }]).strangers).toEqual([`Tanh on ${cpu}`])
})
