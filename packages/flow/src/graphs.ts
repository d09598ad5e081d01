import {
  cellWidth,
  isTable,
  type Manifest,
  type ModelFacts,
  manifestVersion,
  pixelLevels,
  type StorageType,
  sharedFormula,
} from '@niceflow/core'
import { type Builder, buildGraph, type Graph, type StoredWeights, type Value, weightValue } from '@niceflow/graph'
import { type Group, membersOf } from './groups.ts'
import type { Flow } from './nice.ts'
import type { Parameter, Weights } from './parameters.ts'
import { priors } from './prior.ts'

/** The ports of the released graphs (the names that runtimes and servers speak). */
export const ports = { data: 'x', latent: 'z', logLikelihood: 'log_likelihood' } as const

const rows = (g: Builder, name: string, { config }: Flow): Value => g.input(name, 'float32', ['batch', config.dim])

/** Weights as constants of a graph, float32 whatever they are stored as; in order of their names, so that the same weights give the same bytes. */
export function constants(g: Builder, stored: StoredWeights): Weights {
  const sorted = Object.entries(stored).sort(([a], [b]) => (a < b ? -1 : 1))
  const made = new Map(sorted.map(([name, weight]) => [name, weightValue(g, name, weight)]))
  return (name) => made.get(name)!
}

/** Weights as inputs of a graph, so that one session serves weights that change. */
function inputs(g: Builder, parameters: readonly Parameter[]): Weights {
  const made = new Map(parameters.map(({ name, dims }) => [name, g.input(name, 'float32', dims)]))
  return (name) => made.get(name)!
}

function scoring(name: string, flow: Flow, weightsOf: (g: Builder) => Weights, withLatent: boolean): Graph {
  const g = buildGraph(name)
  const x = rows(g, ports.data, flow)
  const { logLikelihood, z } = flow.logLikelihood(g, x, weightsOf(g))
  if (withLatent) g.output(ports.latent, z)
  g.output(ports.logLikelihood, logLikelihood)
  return g.build()
}

/** The encoder f: x [batch, dim] -> z [batch, dim], log_likelihood [batch], with its weights inside, plain or as they are stored. */
export function encoderGraph(flow: Flow, stored: StoredWeights): Graph {
  return scoring('encoder', flow, (g) => constants(g, stored), true)
}

/** The decoder f^-1: z [batch, dim] -> x [batch, dim], with the same weights inside. */
export function decoderGraph(flow: Flow, stored: StoredWeights): Graph {
  const g = buildGraph('decoder')
  const z = rows(g, ports.latent, flow)
  g.output(ports.data, flow.inverse(g, z, constants(g, stored)))
  return g.build()
}

/**
 * Evaluation while training: x and every parameter -> log_likelihood [batch].
 * @param groups those that training holds as one array, as they are held (`groupsOf`)
 */
export function evaluationGraph(flow: Flow, groups: readonly Group[] = []): Graph {
  const held = new Set(groups.flatMap(({ members }) => members.map(({ name }) => name)))
  const others = flow.parameters.filter(({ name }) => !held.has(name))
  const weightsOf = (g: Builder): Weights => {
    const rest = inputs(g, others)
    const values = groups.map(({ name, dims }) => g.input(name, 'float32', dims))
    const members = membersOf(g, groups, values)
    return (name) => members.get(name) ?? rest(name)
  }
  return scoring('evaluation', flow, weightsOf, false)
}

/** Decoding while training: z and every parameter -> x [batch, dim]. */
export function decodingGraph(flow: Flow): Graph {
  const g = buildGraph('decoding')
  const z = rows(g, ports.latent, flow)
  g.output(ports.data, flow.inverse(g, z, inputs(g, flow.parameters)))
  return g.build()
}

/** The data behind the first `steps` preprocessing steps: x and their parameters -> y [batch, dim]. */
export function preprocessingGraph(flow: Flow, steps: number): Graph {
  const g = buildGraph('preprocessing')
  const x = rows(g, ports.data, flow)
  const passed = flow.preprocessing.slice(0, steps)
  const weights = inputs(
    g,
    passed.flatMap(({ parameters }) => parameters),
  )
  g.output(
    'y',
    passed.reduce((y, step) => g.scope(step.name, () => step.forward(g, y, weights).y), x),
  )
  return g.build()
}

/** How the model's pixels were spread over the data range. */
function spreadOf({ dataRange, dequantization }: ModelFacts): string {
  if (dequantization === 'shared') return sharedFormula(dataRange)
  const [low, high] = dataRange
  return `x = ${low} + (pixel + u) * ${high - low} / ${pixelLevels}, u uniform on (0, 1)`
}

/**
 * What a lone graph file must say of itself (`metadata_props`): what its ports take and give, how to draw z, and where the model comes from.
 * Ranges and shapes are JSON, for programs; what each port holds is under the port's own name, for people.
 * @param licence that of the training data, where it is known
 */
export function graphMetadata(
  { name, model, provenance }: Pick<Manifest, 'name' | 'model' | 'provenance'>,
  dtype: StorageType,
  licence?: string,
): Readonly<Record<string, string>> {
  const { dim, dataRange, imageShape, pixels, prior, columns } = model
  const [low, high] = dataRange
  const table = isTable(model)
  const order = imageShape?.length === 3 ? 'row by row, the channels of a pixel side by side' : 'row by row'
  const image = imageShape ? `, images of ${imageShape.join(' x ')}, ${order}` : ''
  const facts = {
    format_version: manifestVersion,
    name,
    model: 'NICE normalizing flow, https://arxiv.org/abs/1410.8516',
    dim,
    data_range: `[${low}, ${high}]`,
    ...(columns && { columns: JSON.stringify(columns) }),
    ...(imageShape && { image_shape: `[${imageShape.join(', ')}]` }),
    dequantization: pixels ? spreadOf(model) : 'none',
    ...(model.dequantization === 'shared' && { noise: model.dequantization }),
    prior,
    prior_quantile: `${priors[prior].quantile}, u uniform on (0, 1), each dimension by itself`,
    [ports.data]: table ? 'numbers as they are, in their own units' : `data on [${low}, ${high}], not clamped to it${image}`,
    [ports.latent]: `latents, independent under the standard ${prior} prior`,
    [ports.logLikelihood]: `nats per example, a density ${table ? 'in the units of the data' : `on [${low}, ${high}]^${dim}`}`,
    ...(pixels && { bits_per_dim: `-(log_likelihood / ${dim} + ln(${cellWidth(dataRange)})) / ln 2` }),
    weights: `stored as ${dtype}, computed with in float32`,
    training_data: `${provenance.trainingExamples} examples of ${provenance.dataset}, SHA-256 ${provenance.datasetSha256}`,
    ...(licence && { training_data_licence: licence }),
  }
  return Object.fromEntries(Object.entries(facts).map(([key, value]) => [`niceflow.${key}`, String(value)]))
}
