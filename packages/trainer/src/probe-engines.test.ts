import { sizeOf, type Tensor } from '@niceflow/core'
import { presets, resolveRecipe } from '@niceflow/engine'
import { evaluationGraph, nice, ports } from '@niceflow/flow'
import { evaluate } from '@niceflow/graph'
import { expect, it } from 'vitest'
import { probeEngines, probeProblem, probeTolerance } from './probe-engines.ts'

it('tells float32 from factors of ten bits', () => {
  const { parameters, x, expected } = probeProblem()
  const recipe = resolveRecipe(presets.paper, { flow: { couplings: 2, hiddenLayers: 2, hiddenDim: 32, shiftUnit: 'one' } }, 4)
  const rounded = Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name, value.dims.length === 2 ? tf32(value) : value]),
  )
  const { [ports.logLikelihood]: scores } = evaluate(evaluationGraph(nice(recipe.flow)), { x, ...rounded })
  expect(Math.max(...expected.map((value, i) => Math.abs(value - scores!.data[i]!)))).toBeGreaterThan(3 * probeTolerance)
})

it('finds the CPU usable by ONNX Runtime, and says of all else why not and what would help', async () => {
  const reports = await probeEngines()
  expect(reports.map(({ engine, device }) => `${engine} ${device}`)).toEqual([
    'onnxruntime cpu',
    'onnxruntime cuda',
    'onnxruntime webgpu',
    'tfjs cpu',
    'tfjs cuda',
  ])
  expect(reports[0]).toEqual({ engine: 'onnxruntime', device: 'cpu', usable: true, error: expect.any(Number) })
  expect(reports[0]!.error).toBeLessThan(probeTolerance / 10)
  for (const { usable, reason, remedy } of reports) expect(usable || (reason && remedy)).toBeTruthy()
})

/** Numbers with the ten bits of mantissa that TF32 keeps. */
function tf32({ dims, data }: Tensor): Tensor<'float32'> {
  const bits = new Uint32Array(new Float32Array(data as Float32Array).buffer)
  for (let i = 0; i < sizeOf(dims); i++) bits[i] = (bits[i]! + 0x1000) & 0xffffe000
  return { dtype: 'float32', dims, data: new Float32Array(bits.buffer) } as Tensor<'float32'>
}
