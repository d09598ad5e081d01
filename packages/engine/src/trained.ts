import { type GraphName, type Manifest, type ModelFacts, manifestVersion, type StorageType, type Tensor } from '@niceflow/core'
import {
  decoderGraph,
  encoderGraph,
  graphMetadata,
  inpainterGraph,
  logScale,
  nice,
  type ParameterValues,
  storeParameters,
} from '@niceflow/flow'
import { encodeModel } from '@niceflow/graph'
import { Flow } from '@niceflow/runtime'
import type { OpenSession } from './onnxruntime.ts'
import type { Recipe } from './recipe.ts'
import type { DataFacts } from './training-data.ts'

/** A model as training left it. */
export type Trained = {
  readonly recipe: Recipe
  readonly data: DataFacts
  readonly parameters: ParameterValues
  /** What it took: epochs begun and steps done, and by which engine. */
  readonly epochs: number
  readonly steps: number
  readonly engine: string
}

const graphs = { encoder: encoderGraph, decoder: decoderGraph, inpainter: inpainterGraph }

/**
 * A graph of a trained model as an ONNX file that needs nothing beside it: its weights inside, and in its metadata what else one must know to
 * use it. It is what `niceflow export --single-file` writes.
 */
export function encodeTrained(trained: Trained, graph: GraphName, dtype: StorageType = 'fp32'): Uint8Array {
  const { recipe, parameters } = trained
  const flow = nice(recipe.flow)
  const made = graphs[graph](flow, storeParameters(flow.parameters, parameters, dtype))
  return encodeModel({ graph: made, metadata: graphMetadata(manifestOf(trained), dtype) })
}

/**
 * Opens a trained model for use, its weights in float32; the inpainter when it is first needed.
 * @throws what `open` throws
 */
export async function openTrained(trained: Trained, open: OpenSession): Promise<Flow> {
  const session = (graph: GraphName): ReturnType<OpenSession> => open(encodeTrained(trained, graph), 'evaluation')
  const encoder = await session('encoder')
  const decoder = await session('decoder').catch(async (error: unknown) => {
    await encoder.dispose()
    throw error
  })
  return new Flow({ manifest: manifestOf(trained), encoder, decoder, inpainter: () => session('inpainter') })
}

/** The manifest of a model that is in memory and has no files. */
function manifestOf({ recipe, data, parameters, epochs, steps, engine }: Trained): Manifest {
  const { flow, training } = recipe
  return {
    formatVersion: manifestVersion,
    name: data.name,
    model: modelFacts(recipe, data, parameters),
    config: flow,
    dtype: 'fp32',
    variants: {},
    files: {},
    provenance: {
      seed: training.seed,
      dataset: data.name,
      datasetSha256: data.sha256,
      ...(data.preparation && { preparation: data.preparation }),
      trainingExamples: data.count,
      epochs,
      steps,
      engine,
      versions: {},
      training,
    },
    evaluation: null,
    calibration: null,
  }
}

/** What a runtime must know of a model. */
export function modelFacts(
  { flow: { dim, prior, dataRange }, training: { dequantization } }: Recipe,
  { pixels, imageShape, columns }: Pick<DataFacts, 'pixels' | 'imageShape' | 'columns'>,
  parameters: ParameterValues,
): ModelFacts {
  // What the paper does goes without saying, as in bundles from before there was another way.
  const otherwise = pixels && dequantization !== 'independent' ? { dequantization } : {}
  return { dim, prior, dataRange, pixels, ...otherwise, imageShape, ...(columns && { columns }), logScale: logScaleOf(parameters) }
}

/** s [dim] among a flow's weights, as a manifest holds it: the shortest decimals that are the same float32 numbers. */
export function logScaleOf(weights: Readonly<Record<string, Tensor>>): readonly number[] | undefined {
  const stored = weights[logScale]
  // A vector stays float32 however a bundle's matrices are stored.
  return stored?.dtype === 'float32' ? Array.from(stored.data, (value) => Number(value.toPrecision(9))) : undefined
}
