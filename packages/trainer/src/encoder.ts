import { readFile } from 'node:fs/promises'
import { type Manifest, NiceflowError, type StorageType, type Tensor, type Variant } from '@niceflow/core'
import { logScale } from '@niceflow/flow'
import { decodeModel, type Graph } from '@niceflow/graph'
import { readBundle } from '@niceflow/runtime-node'

/**
 * The encoder of a bundle as a graph, with its weights.
 * @param paths the files of one variant
 */
export async function readEncoder({ encoder, weights }: Variant): Promise<Graph> {
  const file = await readFile(weights)
  const readExternal = (_: string, offset: number, length: number): Uint8Array => file.subarray(offset, offset + length)
  return decodeModel(await readFile(encoder), { source: encoder, readExternal }).graph
}

/** s [dim] among a flow's weights, as a manifest holds it: the shortest decimals that are the same float32 numbers. */
export function logScaleOf(weights: Readonly<Record<string, Tensor>>): readonly number[] | undefined {
  const stored = weights[logScale]
  // A vector stays float32 however a bundle's matrices are stored.
  return stored?.dtype === 'float32' ? Array.from(stored.data, (value) => Number(value.toPrecision(9))) : undefined
}

/**
 * s [dim] of a bundle: the manifest's, or, in a bundle older than this field, that of the encoder itself.
 * @throws NiceflowError for an encoder without a scaling layer
 */
export async function readLogScale(folder: string, { model }: Manifest, dtype: StorageType): Promise<readonly number[]> {
  if (model.logScale) return model.logScale
  const { paths } = await readBundle(folder, { dtype, verify: false })
  const found = logScaleOf((await readEncoder(paths)).initializers)
  if (!found)
    throw new NiceflowError(`${paths.encoder}: expected an initializer ${logScale}, got none`, { remedy: 'export the bundle again' })
  return found
}
