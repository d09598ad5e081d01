import { type Manifest, NiceflowError, type StorageType, type Tensor } from '@niceflow/core'
import { logScale } from '@niceflow/flow'
import { readBundle } from '@niceflow/runtime-node'
import { readGraph } from './read-graph.ts'

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
  const found = logScaleOf((await readGraph(paths.encoder, paths.weights)).initializers)
  if (!found)
    throw new NiceflowError(`${paths.encoder}: expected an initializer ${logScale}, got none`, { remedy: 'export the bundle again' })
  return found
}
