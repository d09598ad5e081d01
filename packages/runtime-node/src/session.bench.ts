import { probeInput, probeModel } from '@niceflow/runtime'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { bench, describe } from 'vitest'
import { openSession } from './index.ts'

/** What a session adds to ONNX Runtime's own call, on a graph that takes no time itself. */
describe('one run of the probe', async () => {
  const bare = await InferenceSession.create(probeModel, { executionProviders: ['cpu'], intraOpNumThreads: 1 })
  const session = await openSession(probeModel, { device: 'cpu', threads: 1 })

  bench('onnxruntime-node alone', async () => {
    await bare.run({ x: new Tensor('float32', probeInput.data, probeInput.dims) }, ['y'])
  })

  bench('a session', async () => {
    await session.run({ x: probeInput }, ['y'])
  })
})
