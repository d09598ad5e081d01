import { openSession } from '@niceflow/runtime-node'
import { engineLaws } from './laws.fixture.ts'
import { onnxRuntimeEngine } from './onnxruntime.ts'

engineLaws('onnxruntime', (model) => onnxRuntimeEngine(model, (bytes) => openSession(bytes, { device: 'cpu' })))
