import { fillUniform, normalQuantile, pixelLevels, type StorageType, sizeOf, streamKey, type Tensor, tensor } from '@niceflow/core'
import { type StoredWeights, storeWeights, type Value } from '@niceflow/graph'

/** How a parameter starts: a constant, uniform on (-bound, bound), normal of some deviation, or from the moments of the data after that many preprocessing steps. */
export type Initial =
  | { readonly fill: number }
  | { readonly uniform: number }
  | { readonly normal: number }
  | { readonly after: number; readonly from: (moments: Moments) => Float32Array | Promise<Float32Array> }

/** Of the training data as they reach a layer: mean and standard deviation [dim] of each dimension, and the share of all values in each of n equal cells of [0, 1]. */
export type Moments = {
  readonly mean: Float64Array
  readonly deviation: Float64Array
  readonly cells: Float64Array
  /** Found when it is first asked for: it takes all second moments. */
  readonly whitening: (epsilon: number) => Promise<Whitening>
}

/** y = W (x - mean) with W = (C + epsilon I)^-1/2, C the covariance of x, as float32 graphs hold it. */
export type Whitening = {
  /** [dim] */
  readonly mean: Float32Array
  /** W and its inverse, both symmetric: [dim, dim], flat. */
  readonly matrix: Float32Array
  readonly inverse: Float32Array
  /** ln det W, nats. */
  readonly logDet: number
}

/** Moments of data that are standardised and white already. */
export function standardMoments(dim: number): Moments {
  const identity = Float32Array.from({ length: dim * dim }, (_, i) => (i % (dim + 1) === 0 ? 1 : 0))
  return {
    mean: new Float64Array(dim),
    deviation: new Float64Array(dim).fill(1),
    cells: new Float64Array(pixelLevels).fill(1 / pixelLevels),
    whitening: async () => ({ mean: new Float32Array(dim), matrix: identity, inverse: identity.slice(), logDet: 0 }),
  }
}

/** A named array of the model. `trainable` ones are fitted; the others are constants computed from the data. */
export type Parameter = {
  readonly name: string
  readonly dims: readonly number[]
  readonly initial: Initial
  readonly trainable: boolean
}

/** Gives a parameter's value in a graph: a constant of a released graph, an input of an evaluation, a carried value of a training step. */
export type Weights = (name: string) => Value

export type ParameterValues = Readonly<Record<string, Tensor<'float32'>>>

/**
 * Starting values; the same seed gives the same, whatever else the model holds beside a parameter.
 * @param momentsAfter measures the training data behind the first `steps` preprocessing steps, whose values are known by then
 */
export async function initialize(
  parameters: readonly Parameter[],
  seed: number,
  momentsAfter: (steps: number, values: ParameterValues) => Promise<Moments>,
): Promise<ParameterValues> {
  const values: Record<string, Tensor<'float32'>> = {}
  const measured = new Map<number, Moments>()
  for (const { name, dims, initial } of parameters) {
    if ('after' in initial && !measured.has(initial.after)) measured.set(initial.after, await momentsAfter(initial.after, values))
    const contents = 'after' in initial ? await initial.from(measured.get(initial.after)!) : draw(name, dims, initial, seed)
    values[name] = tensor('float32', dims, contents)
  }
  return values
}

function draw(name: string, dims: readonly number[], initial: Exclude<Initial, { after: number }>, seed: number): Float32Array {
  const values = new Float32Array(sizeOf(dims))
  if ('fill' in initial) return values.fill(initial.fill)
  fillUniform(streamKey(seed, 'initialization', nameHash(name)), values)
  return values.map('uniform' in initial ? (u) => (2 * u - 1) * initial.uniform : (u) => initial.normal * normalQuantile(u))
}

/** FNV-1a: a parameter's draws are keyed by its name. */
function nameHash(name: string): number {
  let hash = 0x811c9dc5
  for (const letter of name) hash = Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193)
  return hash >>> 0
}

/** How many numbers are fitted. */
export function parameterCount(parameters: readonly Parameter[]): number {
  return parameters.filter(({ trainable }) => trainable).reduce((sum, { dims }) => sum + sizeOf(dims), 0)
}

/**
 * Parameters as a storage type holds them. Only fitted ones become smaller: what was computed from the data stays float32, for a matrix and its
 * inverse, rounded apart, would no longer undo one another.
 * @throws InvalidValueError naming a matrix that holds NaN or an infinity
 */
export function storeParameters(parameters: readonly Parameter[], values: ParameterValues, dtype: StorageType): StoredWeights {
  const fitted = new Set(parameters.filter(({ trainable }) => trainable).map(({ name }) => name))
  return { ...values, ...storeWeights(Object.fromEntries(Object.entries(values).filter(([name]) => fitted.has(name))), dtype) }
}
