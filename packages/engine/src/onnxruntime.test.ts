import { openSession } from '@niceflow/runtime-node'
import { expect, it } from 'vitest'
import { engineLaws } from './laws.fixture.ts'
import { memoryLaw } from './memory.fixture.ts'
import { onnxRuntimeEngine, stepsPerTurn } from './onnxruntime.ts'
import { presets } from './presets.ts'

engineLaws('onnxruntime', (model) => onnxRuntimeEngine(model, (bytes) => openSession(bytes, { device: 'cpu' })))

engineLaws('onnxruntime as for a GPU', (model) => onnxRuntimeEngine(model, (bytes) => openSession(bytes, { device: 'cpu' }), { gpu: true }))

memoryLaw('onnxruntime', (model) => onnxRuntimeEngine(model, (bytes) => openSession(bytes, { device: 'cpu' })), {
  steps: 2000,
  stepsPerRun: 5,
})

it('leaves no step of a run of the presets over', () => {
  for (const [name, { training }] of Object.entries(presets)) expect(training.stepsPerRun % stepsPerTurn, name).toBe(0)
})
