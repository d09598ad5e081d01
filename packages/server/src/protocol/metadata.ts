import { type GraphName, graphPorts } from '../calls.ts'
import { modelName } from '../repository.ts'
import type { ServedBundle } from '../served.ts'
import type { Duration } from '../statistics.ts'

const platform = 'onnxruntime_onnx'

/** What the protocol's extensions are called that are offered. */
export const extensions: readonly string[] = ['binary_tensor_data', 'model_configuration', 'model_repository', 'statistics']

/** Log-likelihoods are one number an example, all else `dim`. */
const dimsOf = (name: string, { facts }: ServedBundle): number[] => (name === 'log_likelihood' ? [] : [facts.manifest.model.dim])

export function metadataOf(bundle: ServedBundle, graph: GraphName, versions: readonly ServedBundle[]): object {
  const { input, outputs } = graphPorts[graph]
  const tensor = (name: string): object => ({ name, datatype: 'FP32', shape: [-1, ...dimsOf(name, bundle)] })
  return {
    name: modelName(bundle.name, graph),
    versions: versions.map(({ version }) => version),
    platform,
    inputs: [tensor(input)],
    outputs: outputs.map(tensor),
  }
}

/** The model's configuration in the terms of Triton, whose clients ask for it. */
export function configOf(bundle: ServedBundle, graph: GraphName): object {
  const { input, outputs } = graphPorts[graph]
  const tensor = (name: string): object => ({ name, data_type: 'TYPE_FP32', dims: dimsOf(name, bundle) })
  return {
    name: modelName(bundle.name, graph),
    platform,
    backend: 'onnxruntime',
    max_batch_size: bundle.batcher.maxQueue,
    input: [tensor(input)],
    output: outputs.map(tensor),
    dynamic_batching: { max_queue_delay_microseconds: Math.round(1000 * bundle.batcher.delayMs) },
  }
}

const told = ({ count, ns }: Duration): Duration => ({ count, ns })

export function statisticsOf(bundle: ServedBundle, graph: GraphName): object {
  const { lastInference, inferences, executions, success, fail, queue, input, compute, batches } = bundle.statistics[graph]
  const none = { count: 0, ns: 0 }
  return {
    name: modelName(bundle.name, graph),
    version: bundle.version,
    last_inference: lastInference,
    inference_count: inferences,
    execution_count: executions,
    inference_stats: {
      success: told(success),
      fail: told(fail),
      queue: told(queue),
      compute_input: told(input),
      compute_infer: told(compute),
      // Answers are views of what workers send.
      compute_output: none,
      cache_hit: none,
      cache_miss: none,
    },
    batch_stats: [...batches]
      .sort(([a], [b]) => a - b)
      .map(([rows, of]) => ({ batch_size: rows, compute_input: told(of.input), compute_infer: told(of.compute), compute_output: none })),
    memory_usage: [],
  }
}
