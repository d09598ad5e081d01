import { type StorageType, sizeOf } from '@niceflow/core'
import { nice, parameterCount } from '@niceflow/flow'
import { writeSafetensors } from '@niceflow/formats'
import { loadWeights } from '@niceflow/graph'
import { metadataOf } from './bundle.ts'
import type { BundleSource } from './bundle-source.ts'
import { writeAtomic } from './files.ts'
import { toPytorchNice } from './pytorch-nice.ts'
import { assertReplaceableFile } from './single-file.ts'

export type StateDictOptions = {
  /** The model's name, for the file's metadata. */
  readonly name: string
  /** Which stored weights; the source's default when left out. */
  readonly dtype?: StorageType | undefined
  /** Replace a file that is there already. */
  readonly overwrite?: boolean | undefined
}

/** The class that takes a state dict, as its constructor counts, and how many numbers the model has and the file. */
export type StateDict = {
  readonly dtype: StorageType
  readonly couplings: number
  /** Linear layers of a coupling. */
  readonly layers: number
  readonly hiddenDim: number
  /** A word for people and for the file's metadata. */
  readonly activation: string
  readonly parameters: number
  readonly fileParameters: number
  readonly bytes: number
}

/**
 * Writes a model as a state dict of PyTorch's masked form, float32 whatever its weights were stored as.
 * @throws InvalidValueError for a flow that the masked form cannot express; WriteError where `out` must stay or cannot be written
 */
export async function writeStateDict(
  source: BundleSource,
  out: string,
  { name, dtype = source.dtypes[0]!, overwrite = false }: StateDictOptions,
): Promise<StateDict> {
  await assertReplaceableFile(out, overwrite)
  const flow = nice(source.flow)
  const tensors = toPytorchNice(flow, loadWeights(await source.stored(dtype)))
  const { activation: kind, leak, hiddenLayers, hiddenDim } = source.flow
  const activation = kind === 'relu' ? kind : `${kind}, slope ${leak}`
  // PyTorch's own writer marks its files so, and some readers ask for it.
  const metadata = { ...metadataOf({ ...source, name }, dtype), 'niceflow.activation': activation, format: 'pt' }
  const chunks = writeSafetensors(tensors, metadata)
  await writeAtomic(out, chunks)
  const layers = hiddenLayers + 1
  return {
    dtype,
    couplings: (Object.keys(tensors).length - 1) / (2 * layers),
    layers,
    hiddenDim,
    activation,
    parameters: parameterCount(flow.parameters),
    fileParameters: Object.values(tensors).reduce((sum, { dims }) => sum + sizeOf(dims), 0),
    bytes: chunks.reduce((sum, { length }) => sum + length, 0),
  }
}
