import { storageTypes } from '@niceflow/core'
import {
  adam,
  averaged,
  clipped,
  decoderGraph,
  encoderGraph,
  evaluationGraph,
  type Flow,
  type FlowConfig,
  groupsOf,
  initialize,
  nice,
  paperMnist,
  standardMoments,
  storeParameters,
  trainingStepGraph,
} from '@niceflow/flow'
import { encodeModel, type Graph } from '@niceflow/graph'
import { openSession } from '@niceflow/runtime-node'
import { expect, test } from 'vitest'

/** Adam with all that there is besides. */
const optimizer = clipped(
  averaged(adam({ beta1: 0.9, beta2: 0.99, epsilon: 1e-4, weightDecay: 0.1, rates: { 'scaling/log_scale': 10 } }), 0.9),
  1,
)

const size = { ...paperMnist, dim: 6, couplings: 3, hiddenLayers: 2, hiddenDim: 8, bins: 4 } satisfies FlowConfig
const configs: readonly FlowConfig[] = [
  ...(['additive', 'multiplicative', 'affine', 'histogram', 'spline'] as const).map((law) => ({ ...size, law })),
  { ...size, prior: 'gaussian' },
  { ...size, activation: 'leaky-relu', shiftUnit: 'deviation' },
  { ...size, partition: 'dyadic', start: 'second' },
  {
    ...size,
    preprocessing: [{ kind: 'equalize', bins: 4 }, { kind: 'logit', alpha: 1e-6 }, { kind: 'standardize' }],
  },
  { ...size, preprocessing: [{ kind: 'whiten', method: 'zca', epsilon: 0 }] },
]

/** Opens without a node that falls back to the CPU, or throws. */
async function opens(graph: Graph): Promise<void> {
  const session = await openSession(encodeModel({ graph, metadata: {} }), { device: 'webgpu', name: graph.name })
  expect(session.device).toBe('webgpu')
  await session.dispose()
}

const flows: readonly Flow[] = configs.map(nice)

test('every law, prior, activation, partition and preprocessing trains on WebGPU whole', async () => {
  for (const flow of flows) {
    await opens(trainingStepGraph(flow, optimizer, { dropout: 0.1, joined: true }))
    await opens(evaluationGraph(flow, groupsOf(flow, optimizer, true)))
  }
})

test('encoders and decoders run there whole, however their weights are stored', async () => {
  for (const flow of flows) {
    const parameters = await initialize(flow.parameters, 1, async () => standardMoments(6))
    for (const dtype of storageTypes) {
      const stored = storeParameters(flow.parameters, parameters, dtype)
      await opens(encoderGraph(flow, stored))
      await opens(decoderGraph(flow, stored))
    }
  }
})
