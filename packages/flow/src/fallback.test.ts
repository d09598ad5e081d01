import type { Graph } from '@niceflow/graph'
import { expect, it } from 'vitest'
import { decoderGraph, encoderGraph, evaluationGraph } from './graphs.ts'
import { groupsOf } from './groups.ts'
import { inpainterGraph } from './inpainting.ts'
import { drawnParameters, histograms, small } from './laws.test-data.ts'
import { nice } from './nice.ts'
import { adam } from './optimizer.ts'
import { trainingGraph, trainingStepGraph } from './training.ts'

/** Inputs that ONNX Runtime's CUDA kernels take from the host's memory, by their positions. */
const hostInputs: Readonly<Record<string, readonly number[]>> = {
  ConstantOfShape: [0],
  Expand: [1],
  Loop: [0, 1],
  ReduceSum: [1],
  Reshape: [1],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Unsqueeze: [1],
}

/**
 * Nodes of a main graph that ONNX Runtime would move from CUDA to the CPU (`GetCpuPreferredNodes`): those that compute from a shape alone, which
 * no kernel asks for on the host. With the fallback disabled, a session with one of them does not open.
 */
function moved({ nodes, initializers, inputs }: Graph): string[] {
  const known = new Set([...Object.keys(initializers), ...inputs.map(({ name }) => name)])
  const onHost = new Set<string>()
  return nodes.flatMap(({ op, name, inputs, outputs }) => {
    if (op === 'Shape' || op === 'Size') {
      for (const output of outputs) onHost.add(output)
      return []
    }
    const fromHost = inputs.flatMap((input, i) => (onHost.has(input) ? [i] : []))
    const asked = fromHost.some((i) => hostInputs[op]?.includes(i))
    if (fromHost.length === 0 || asked || !inputs.every((input) => onHost.has(input) || known.has(input))) return []
    for (const output of outputs) onHost.add(output)
    return [`${op} ${name}`]
  })
}

const flows = {
  additive: small(),
  affine: small({ law: 'affine', preprocessing: [{ kind: 'logit', alpha: 1e-6 }, { kind: 'standardize' }] }),
  histogram: small(histograms),
  spline: small({ law: 'spline', bins: 3, partition: 'dyadic' }),
}
const optimizer = adam({ beta1: 0.9, beta2: 0.99, epsilon: 1e-4, weightDecay: 0.5 })

it.each(Object.keys(flows) as (keyof typeof flows)[])(
  'no graph of a flow (%s) that CUDA runs computes shapes where a session has to place it',
  (law) => {
    const config = flows[law]
    const [flow, parameters] = [nice(config), drawnParameters(config)]
    const graphs = [
      encoderGraph(flow, parameters),
      decoderGraph(flow, parameters),
      inpainterGraph(flow, parameters),
      evaluationGraph(flow),
      trainingGraph(flow, optimizer, { dropout: 0.1 }),
      trainingGraph(flow, optimizer, { joined: true }),
      trainingStepGraph(flow, optimizer, { joined: true }),
      evaluationGraph(flow, groupsOf(flow, optimizer, true)),
    ]
    for (const graph of graphs) expect(moved(graph), graph.name).toEqual([])
  },
)

it('knows what would be moved', () => {
  const unrolled = trainingGraph(nice(flows.additive), optimizer, { unrolled: 4 })
  expect(moved(unrolled).map((node) => node.split(' ')[0])).toEqual(['Div', 'Mul', 'Sub'])
})
