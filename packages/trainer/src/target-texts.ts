import type { DataType } from '@niceflow/core'
import { formatShape, type Graph, type Value } from '@niceflow/graph'

/** The files of other engines, as those who run them would write them by hand. */

/** Triton's names of the element types that ports of released graphs have. */
const tritonTypes: Readonly<Partial<Record<DataType, string>>> = { float32: 'TYPE_FP32', uint8: 'TYPE_UINT8' }

/**
 * The `config.pbtxt` of one graph, whose first dimension is the batch. A request queues while a batch runs, and for half a millisecond to let
 * others join; past 1,024 that wait it is refused.
 * @see https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html
 */
export function tritonConfig(model: string, { inputs, outputs }: Pick<Graph, 'inputs' | 'outputs'>): string {
  return `name: "${model}"
backend: "onnxruntime"
max_batch_size: 1024
input [
${inputs.map(tritonPort).join(',\n')}
]
output [
${outputs.map(tritonPort).join(',\n')}
]
dynamic_batching {
  max_queue_delay_microseconds: 500
  default_queue_policy { max_queue_size: 1024 }
}
# One session takes all cores of a CPU, and a GPU where there is one.
instance_group [ { count: 1 kind: KIND_AUTO } ]
`
}

/** A port without its batch. Triton has no tensors without dimensions: one number an example is sent as [batch, 1]. */
function tritonPort({ name, dtype, dims: [, ...dims] }: Value): string {
  const shape = dims.length > 0 ? `dims: ${tritonShape(dims)}` : 'dims: [ 1 ] reshape: { shape: [ ] }'
  return `  { name: "${name}" data_type: ${tritonTypes[dtype]} ${shape} }`
}

const tritonShape = (dims: Value['dims']): string => formatShape(dims).replace('[', '[ ').replace(']', ' ]')

/** The folder beside the manifest that `storageUri` names. */
export const kserveRepository = 'models'

/**
 * A KServe service that runs the repository in Triton.
 * @param service a DNS label
 * @see https://kserve.github.io/website/docs/model-serving/predictive-inference/frameworks/triton/overview
 */
export function kserveManifest(service: string, models: readonly string[]): string {
  return `apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: ${service}
spec:
  predictor:
    model:
      modelFormat:
        name: triton
        version: "2"
      runtime: kserve-tritonserver
      protocolVersion: v2
      # Where the folder "${kserveRepository}" beside this file was copied to: a volume claim and a path in it, or s3://, gs://, https://...
      # It holds ${models.join(' and ')}.
      storageUri: pvc://${service}/${kserveRepository}
      resources:
        requests: { cpu: "2", memory: 2Gi }
        limits: { cpu: "4", memory: 4Gi }
`
}
