import { createHash } from 'node:crypto'
import { assertTrainingData, type TrainingData } from '@niceflow/engine'

/** A caller's own array as training data; its identity is the hash of its bytes. */
export function asTrainingData(data: TrainingData | TrainingData['examples']): TrainingData {
  const named = 'examples' in data ? data : { name: 'array', sha256: hashOf(data), examples: data, imageShape: null }
  assertTrainingData(named)
  return named
}

function hashOf({ data }: TrainingData['examples']): string {
  return createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex')
}
