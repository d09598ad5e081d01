import {
  bitsPerDim,
  type DataRange,
  InvalidValueError,
  type Manifest,
  type ModelFacts,
  meanAndError,
  NiceflowError,
  type StorageType,
  type Tensor,
  tensor,
} from '@niceflow/core'
import { assertDimensions, assertInteger, assertTemperature } from './check.ts'
import {
  assertFinite,
  assertRows,
  type DequantizationKey,
  type Examples,
  exampleRows,
  floatRows,
  type PriorDraws,
  priorRows,
  type RowSource,
} from './examples.ts'
import { GraphSession, type SessionSource } from './graph-session.ts'
import { ascend, type Inpainting, type InpaintOptions } from './inpainting.ts'
import { assertObserved, maskRows } from './inpainting-input.ts'
import { startSamples } from './inpainting-starts.ts'
import { interpolate, type PathOptions } from './interpolation.ts'
import { type Device, type Session, SessionError } from './session.ts'
import { type Sweep, type SweepOptions, traverse } from './sweep.ts'

/** The most rows that are given to a session at once, where nobody says how many. */
export const defaultMaxBatch = 1024

export type FlowParts = {
  readonly manifest: Manifest
  readonly encoder: SessionSource
  /** It settles the flow's device. */
  readonly decoder: Session
  /** Left out where the bundle has none. */
  readonly inpainter?: SessionSource | undefined
  /** How the weights of both are stored. @default the manifest's */
  readonly dtype?: StorageType
  /** The most rows given to a session at once; longer requests are cut. @default defaultMaxBatch */
  readonly maxBatch?: number
}

/** What `encode` gives: latents [n, dim] and log-likelihoods in nats [n]. */
export type Encoding = { readonly z: Tensor<'float32'>; readonly logLikelihood: Float32Array }

/** Latents that were led somewhere, and the examples that they decode to: [n, …, dim]. */
export type Explored = { readonly x: Tensor<'float32'>; readonly z: Tensor<'float32'> }

/** What `score` gives; every array is [n]. */
export type Score = {
  /** Log-density on `range`^dim in nats, the mean over draws. */
  readonly logLikelihood: Float64Array
  /** The standard error of that mean; NaN with one draw. */
  readonly standardError: Float64Array
  /** Bits per dimension at 256 levels of `range`. */
  readonly bitsPerDim: Float64Array
  readonly draws: number
  readonly range: DataRange
}

/** An example whose log-likelihood is not a finite number. */
export class NonFiniteLikelihoodError extends NiceflowError {
  override readonly name = 'NonFiniteLikelihoodError'
  /** The example's index in the request. */
  readonly row: number
  readonly value: number
  constructor({ row, value, range, of = 'x' }: { row: number; value: number; range: DataRange; of?: string }) {
    super(`row ${row} of ${of}: its log-likelihood is ${value}`, {
      remedy: `bring its values nearer to the data range [${range.join(', ')}]`,
    })
    this.row = row
    this.value = value
  }
}

/** How examples are scored. */
export type ScoreOptions = DequantizationKey & {
  /** Dequantisation draws averaged for each example of pixels. @default 1 */
  readonly draws?: number
  /**
   * Hears of each example whose log-likelihood is not a finite number, whose figures are then none either: the caller drops it. The first is
   * thrown when left out.
   */
  readonly onNonFinite?: ((error: NonFiniteLikelihoodError) => void) | undefined
}

const inpainterPorts = [
  ['x', 'mask', 'noise', 'step_size', 'exponent', 'bounds'],
  ['filled', 'log_likelihood'],
] as const

const refuse = (error: NonFiniteLikelihoodError): void => {
  throw error
}

/** A bundle without an inpainter. */
export class MissingInpainterError extends NiceflowError {
  override readonly name = 'MissingInpainterError'
  constructor(bundle: string) {
    super(`bundle ${bundle} has no inpainter`, { remedy: 'an older version wrote it: `niceflow export BUNDLE --out NEW` adds one' })
  }
}

/**
 * A trained flow: a bijection between data x [n, dim] on the model's data range and latents z [n, dim] with a simple prior.
 *
 * Requests of any length are cut into batches. Every random draw is keyed by the seed and the example's index, so the cut changes no
 * result beyond the runtime's own rounding.
 */
export class Flow {
  readonly manifest: Manifest
  readonly dtype: StorageType
  readonly device: Device
  readonly #encoder: GraphSession
  readonly #decoder: GraphSession
  readonly #inpainter: GraphSession | undefined
  readonly #maxBatch: number

  constructor({ manifest, encoder, decoder, inpainter, dtype = manifest.dtype, maxBatch = defaultMaxBatch }: FlowParts) {
    assertInteger('maxBatch', maxBatch, 1)
    if (typeof encoder !== 'function' && encoder.device !== decoder.device) {
      throw new InvalidValueError({ what: 'device of the encoder', expected: `${decoder.device}, like the decoder`, got: encoder.device })
    }
    this.manifest = manifest
    this.dtype = dtype
    this.device = decoder.device
    this.#encoder = new GraphSession('encoder', encoder, [['x'], ['z', 'log_likelihood']])
    this.#decoder = new GraphSession('decoder', decoder, [['z'], ['x']])
    this.#inpainter = inpainter && new GraphSession('inpainter', inpainter, inpainterPorts)
    this.#maxBatch = maxBatch
  }

  /** The number of dimensions of x and of z. */
  get dim(): number {
    return this.manifest.model.dim
  }

  /**
   * The latents of examples and their log-likelihoods. Pixels are dequantised with one draw.
   * @throws InvalidValueError for examples that are not the model's; NonFiniteLikelihoodError
   */
  async encode(x: Examples, key: DequantizationKey = {}): Promise<Encoding> {
    const source = exampleRows(x, this.manifest.model, key)
    const z = this.#allocate(source.count)
    const logLikelihood = new Float32Array(source.count)
    await this.#run(this.#encoder, 'x', source, { z, log_likelihood: logLikelihood })
    this.#assertScored(logLikelihood, source, 1)
    source.done()
    return { z: this.#tensor(z), logLikelihood }
  }

  /**
   * The data [n, dim] of latents, as the flow gives them: not clamped to the data range.
   * @throws InvalidValueError for latents of another shape, or not finite
   */
  async decode(z: Tensor<'float32'> | Float32Array): Promise<Tensor<'float32'>> {
    const data = assertRows('z', z, this.dim, ['float32'])
    assertFinite('z', data, this.dim)
    return this.#decode(floatRows(data, this.dim))
  }

  /**
   * Draws examples [count, dim]: z of the prior by its quantile function, then decoded. Sample i is a function of (seed, firstIndex + i) alone,
   * and a latent of it the same whichever others are drawn.
   * @throws InvalidValueError for more samples than an array of this machine holds: those are drawn in parts
   * @see Dinh et al. 2014, section 5.3
   */
  async sample(count: number, draws: PriorDraws = {}): Promise<Tensor<'float32'>> {
    const { seed = 0, temperature = 1, dimensions = [], firstIndex = 0 } = draws
    assertInteger('count', count, 1)
    assertInteger('seed', seed, 0)
    assertInteger('firstIndex', firstIndex, 0)
    assertTemperature(temperature)
    assertDimensions('dimensions', dimensions, this.dim)
    return this.#decode(priorRows(count, this.manifest.model, draws))
  }

  /**
   * Examples on the way from each of `a` to the one of `b` in its place, by a path between their latents. The ends are a and b as they come back
   * from their latents. Pixels of `b` are drawn as examples behind those of `a`.
   * @returns x and z, [n, steps, dim]
   * @throws InvalidValueError for examples that are not the model's, or not as many on either side; NonFiniteLikelihoodError
   */
  async interpolate(a: Examples, b: Examples, options: PathOptions & DequantizationKey = {}): Promise<Explored> {
    return interpolate(this, a, b, options)
  }

  /**
   * What single dimensions of a latent do: each in turn is put to quantiles of the prior, the others staying as they are.
   * @returns x and z, [n, dimensions, probabilities, dim], and the latents that they start from, [n, dim]
   * @throws InvalidValueError for a sweep that cannot be, or examples that are not the model's; NonFiniteLikelihoodError
   */
  async traverse(options: SweepOptions & DequantizationKey): Promise<Sweep> {
    return traverse(this, options)
  }

  /**
   * The log-likelihood of examples. Pixels are dequantised `draws` times and their log-likelihoods averaged, which by Jensen's inequality
   * bounds the log-probability of the pixels from below; floats are taken as they are, on the data range.
   * @throws InvalidValueError for examples that are not the model's; NonFiniteLikelihoodError
   */
  async score(x: Examples, { draws = 1, onNonFinite = refuse, ...key }: ScoreOptions = {}): Promise<Score> {
    const { model } = this.manifest
    const source = exampleRows(x, model, { draws, ...key })
    const drawn = new Float32Array(source.count)
    await this.#run(this.#encoder, 'x', source, { log_likelihood: drawn })
    this.#assertScored(drawn, source, draws, onNonFinite)
    source.done()
    return averageDraws(drawn, draws, model)
  }

  /**
   * Fills the hidden pixels of examples by ascending their log-likelihood. Every draw is keyed by the seed, the example's index, the step and the
   * dimension, so that no result depends on chunk, cut or order beyond the runtime's own rounding.
   * @param x examples, pixels dequantised with one draw; what they hold where they are hidden is never read
   * @param mask 1 for a pixel that is observed and 0 for one that is hidden: float32 [dim] for all examples, or [n, dim]
   * @throws InvalidValueError for examples or masks that are not the model's, or observed pixels off the data range; InpaintingDivergedError;
   * MissingInpainterError
   * @see Dinh et al. 2014, section 5.2
   */
  async inpaint(x: Examples, mask: Tensor<'float32'> | Float32Array, options: InpaintOptions = {}): Promise<Inpainting> {
    const { model, name } = this.manifest
    const { seed = 0, firstIndex = 0 } = options
    const source = exampleRows(x, model, { seed, firstIndex })
    const masks = maskRows(mask, source.count, this.dim)
    const data = source.read(0, source.count).slice()
    assertObserved(data, masks, model)
    if (!this.#inpainter) throw new MissingInpainterError(name)
    const session = await this.#inpainter.get()
    const samples = (): Promise<Float32Array> => this.#samples(seed)
    const score = async (rows: Float32Array): Promise<Float32Array> => (await this.encode(rows)).logLikelihood
    const found = await ascend({ session, model, maxBatch: this.#maxBatch, x: data, mask: masks, samples, score }, options)
    return { x: this.#tensor(data), ...found, done: found.trace.length }
  }

  /** Samples that are nearer to the mode than the model's own, on its data range. */
  async #samples(seed: number): Promise<Float32Array> {
    const { count, temperature } = startSamples
    const [low, high] = this.manifest.model.dataRange
    const { data } = await this.sample(count, { seed, temperature })
    return data.map((value) => Math.min(high, Math.max(low, value)))
  }

  /** Frees all sessions. */
  async dispose(): Promise<void> {
    await Promise.all([this.#encoder, this.#decoder, this.#inpainter].map((graph) => graph?.dispose()))
  }

  async #decode(source: RowSource): Promise<Tensor<'float32'>> {
    const x = this.#allocate(source.count)
    await this.#run(this.#decoder, 'z', source, { x })
    source.done()
    return this.#tensor(x)
  }

  /** Runs a source through a graph, batch by batch, into one array for each output, whose length tells how wide its rows are. */
  async #run(graph: GraphSession, input: string, source: RowSource, outputs: Readonly<Record<string, Float32Array>>): Promise<void> {
    const names = Object.keys(outputs)
    const session = await graph.get()
    for (let start = 0; start < source.count; start += this.#maxBatch) {
      const end = Math.min(start + this.#maxBatch, source.count)
      const feed = tensor('float32', [end - start, this.dim], source.read(start, end))
      const results = await session.run({ [input]: feed }, names)
      for (const name of names) {
        const all = outputs[name]!
        const width = all.length / source.count
        const part = results[name]
        if (part?.dtype !== 'float32' || part.data.length !== (end - start) * width) {
          const got = part === undefined ? 'none' : `${part.dtype} [${part.dims.join(', ')}]`
          throw new SessionError(`output ${name}: expected float32 with ${width} numbers for each of ${end - start} rows, got ${got}`, {
            remedy: 'the graph is not that of this manifest: export the bundle again',
          })
        }
        all.set(part.data, start * width)
      }
    }
  }

  /** Room for rows of dim numbers. */
  #allocate(count: number): Float32Array {
    try {
      return new Float32Array(count * this.dim)
    } catch (cause) {
      throw new InvalidValueError({
        what: 'rows at once',
        expected: `as many as one array holds, ${this.dim} numbers each`,
        got: count,
        remedy: 'ask for them in parts',
        cause,
      })
    }
  }

  #tensor(data: Float32Array): Tensor<'float32'> {
    return tensor('float32', [data.length / this.dim, this.dim], data)
  }

  /** A log-likelihood depends on every input, so one that is finite vouches for them; the inputs are looked at when it is not. */
  #assertScored(logLikelihood: Float32Array, source: RowSource, draws: number, onNonFinite = refuse): void {
    let told = -1
    for (const [at, value] of logLikelihood.entries()) {
      const row = Math.floor(at / draws)
      if (Number.isFinite(value) || row === told) continue
      assertFinite('x', source.read(at, at + 1), this.dim, row)
      onNonFinite(new NonFiniteLikelihoodError({ row, value, range: this.manifest.model.dataRange }))
      told = row
    }
  }
}

/**
 * The score of examples whose log-likelihoods were drawn one after another.
 * @param drawn nats, [n, draws] flat
 */
export function averageDraws(drawn: Float32Array, draws: number, { dim, dataRange }: ModelFacts): Score {
  const n = drawn.length / draws
  const logLikelihood = new Float64Array(n)
  const standardError = new Float64Array(n)
  for (let row = 0; row < n; row++) {
    const { mean, standardError: error } = meanAndError(drawn.subarray(row * draws, (row + 1) * draws))
    logLikelihood[row] = mean
    standardError[row] = error
  }
  const bits = logLikelihood.map((nats) => bitsPerDim(nats, dim, dataRange))
  return { logLikelihood, standardError, bitsPerDim: bits, draws, range: dataRange }
}
