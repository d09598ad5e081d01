import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidValueError, type Manifest, type ModelFacts, type Provenance, parseManifest, type StorageType } from '@niceflow/core'
import { modelFacts } from '@niceflow/engine'
import { type FlowConfig, nice, type ParameterValues, storeParameters } from '@niceflow/flow'
import { type StoredWeights, storedWeights } from '@niceflow/graph'
import { readBundle } from '@niceflow/runtime-node'
import { recipeOf } from './config.ts'
import { exists } from './files.ts'
import { readLogScale } from './log-scale.ts'
import { readGraph } from './read-graph.ts'
import { type Run, readRun } from './run.ts'
import { versions } from './versions.ts'

export const manifestFile = 'flow.json'

/** Figures that were measured of a model. */
export type Figures = Pick<Manifest, 'evaluation' | 'calibration' | 'storageCost'>

/** What bundles are written from: a model's facts, its parameters as files hold them, and what is known of it already. */
export type BundleSource = {
  readonly flow: FlowConfig
  readonly model: ModelFacts
  readonly provenance: Provenance
  /** How its weights are stored where nobody says otherwise, the default first. */
  readonly dtypes: readonly StorageType[]
  /** Whether its parameters are there in float32, from which any storage type can be made. */
  readonly exact: boolean
  /** @throws InvalidValueError for a storage type that can no longer be made */
  readonly stored: (dtype: StorageType) => Promise<StoredWeights>
  /** Those of its figures that hold for a bundle of these storage types. */
  readonly figures: (dtypes: readonly StorageType[]) => Figures
}

/** A run's best parameters; nothing is measured yet. */
export async function sourceOfRun({ state, parameters }: Run): Promise<BundleSource> {
  const { recipe, data, best } = state
  return {
    flow: recipe.flow,
    model: modelFacts(recipe, data, parameters),
    provenance: {
      seed: recipe.training.seed,
      dataset: data.name,
      datasetSha256: data.sha256,
      ...(data.preparation && { preparation: data.preparation }),
      trainingExamples: data.count - recipe.training.validation,
      epochs: best.epoch,
      steps: state.epoch === 0 ? 0 : (state.step / state.epoch) * best.epoch,
      engine: state.engine,
      ...(state.imported && { imported: state.imported }),
      versions: await versions(),
      training: recipe.training,
    },
    dtypes: ['fp32'],
    exact: true,
    stored: async (dtype) => storeParameters(nice(recipe.flow).parameters, parameters, dtype),
    figures: () => ({ evaluation: null, calibration: null }),
  }
}

/**
 * A bundle, whose weights are those of its files: written again, each of its storage types is the same byte for byte. (So a bundle whose run is
 * gone gets the graphs of a newer version.)
 * @throws InvalidManifestError, InvalidBundleError
 */
async function sourceOfBundle(folder: string): Promise<BundleSource> {
  const path = join(folder, manifestFile)
  const manifest = parseManifest(await readFile(path, 'utf8'), path)
  const { flow } = recipeOf(manifest)
  const dtypes = [...new Set([manifest.dtype, ...(Object.keys(manifest.variants) as StorageType[])])]
  const { parameters } = nice(flow)
  const names = parameters.map(({ name }) => name)
  const read = async (dtype: StorageType): Promise<StoredWeights> => {
    const { paths } = await readBundle(folder, { dtype })
    // The encoder has all weights but what only a decoder needs, the inverse of a matrix.
    const [encoder, decoder] = [await readGraph(paths.encoder, paths.weights), await readGraph(paths.decoder, paths.weights)]
    return storedWeights({ ...decoder.initializers, ...encoder.initializers }, names)
  }
  return {
    flow,
    model: { ...manifest.model, logScale: await readLogScale(folder, manifest, manifest.dtype) },
    provenance: manifest.provenance,
    dtypes,
    exact: dtypes.includes('fp32'),
    stored: async (dtype) => {
      if (dtypes.includes(dtype)) return read(dtype)
      if (!dtypes.includes('fp32')) {
        throw new InvalidValueError({
          what: `dtypes from bundle ${folder}`,
          expected: `some of ${dtypes.join(', ')}, which it has`,
          got: dtype,
          remedy: 'export the run, which has the float32 parameters',
          usage: true,
        })
      }
      const exact = await read('fp32')
      return storeParameters(parameters, exact as ParameterValues, dtype)
    },
    figures: ([first, ...rest]) => {
      const { evaluation, calibration, storageCost } = manifest
      const kept = storageCost && {
        ...storageCost,
        nats: Object.fromEntries(Object.entries(storageCost.nats).filter(([dtype]) => [first, ...rest].includes(dtype as StorageType))),
      }
      const same = first === manifest.dtype
      return { evaluation: same ? evaluation : null, calibration: same ? calibration : null, ...(kept && { storageCost: kept }) }
    },
  }
}

/**
 * The run or the bundle in a folder.
 * @throws as `readRun` where it holds no bundle
 */
export async function readSource(folder: string, onWarning?: (message: string) => void): Promise<BundleSource> {
  return (await exists(join(folder, manifestFile))) ? sourceOfBundle(folder) : sourceOfRun(await readRun(folder, onWarning))
}
