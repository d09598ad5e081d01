import { openSession } from '@niceflow/runtime-node'
import { engineLaws } from './laws.fixture.ts'
import { memoryLaw } from './memory.fixture.ts'
import { onnxRuntimeEngine } from './onnxruntime.ts'

engineLaws('onnxruntime', (model) => onnxRuntimeEngine(model, (bytes) => openSession(bytes, { device: 'cpu' })))

engineLaws('onnxruntime as for a GPU', (model) => onnxRuntimeEngine(model, (bytes) => openSession(bytes, { device: 'cpu' }), { gpu: true }))

memoryLaw('onnxruntime', (model) => onnxRuntimeEngine(model, (bytes) => openSession(bytes, { device: 'cpu' })), {
  steps: 2000,
  stepsPerRun: 5,
})
