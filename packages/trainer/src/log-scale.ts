import { type Manifest, NiceflowError, type StorageType } from '@niceflow/core'
import { logScaleOf } from '@niceflow/engine'
import { logScale } from '@niceflow/flow'
import { readBundle } from '@niceflow/runtime-node'
import { readGraph } from './read-graph.ts'

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
