import { type DataRange, InvalidValueError, NiceflowError, type Tensor, tensor } from '@niceflow/core'
import { assertInteger } from './check.ts'
import { type Method, type MethodName, methodNames, methods } from './inpainting-methods.ts'
import { sampleStarts, type Unstarted, uniformStart } from './inpainting-starts.ts'
import { type Session, SessionError } from './session.ts'

export type InpaintOptions = {
  /** @default 'sign' */
  readonly method?: MethodName
  /** Steps of the ascent. @default 300 */
  readonly steps?: number
  /** Of starts, of noise and of dequantisation. @default 0 */
  readonly seed?: number
  /** The index of the first example in its dataset, so that parts of a request draw what the whole would. @default 0 */
  readonly firstIndex?: number
  /** Steps in one run of the graph: how often progress is told and a signal is heard. It changes no result. @default 25 */
  readonly chunk?: number
  /** Ends the ascent after the run that is going on; what it reached is returned. */
  readonly signal?: { readonly aborted: boolean }
  /** Where it returns a promise, that is waited for: a worker can hear messages meanwhile, and so be told to end. */
  readonly onProgress?: (progress: InpaintProgress) => void | Promise<void>
}

export type InpaintProgress = {
  readonly done: number
  readonly steps: number
  /** The mean over examples of log p where the last step took its gradient, nats; NaN before the first. */
  readonly logLikelihood: number
  /** Examples as they are now, [n, dim] flat. The array changes with the next step: copy what is to be kept. */
  readonly x: Float32Array
}

/** What `inpaint` gives. */
export type Inpainting = {
  /** Filled examples, [n, dim]: observed pixels as they were given (or dequantised), bit by bit; hidden ones on the data range. */
  readonly x: Tensor<'float32'>
  /** Of each filled example, [n], nats. */
  readonly logLikelihood: Float32Array
  /** The mean over examples of log p where each step took its gradient, [done], nats. */
  readonly trace: Float64Array
  /** Steps that were made: fewer than were asked for where the signal ended it. */
  readonly done: number
}

/** An ascent whose pixels stopped being numbers. */
export class InpaintingDivergedError extends NiceflowError {
  override readonly name = 'InpaintingDivergedError'
}

/** Numbers of noise that are made at once, at most: 64 MiB. */
const noiseNumbers = 2 ** 24

/** A range that no number leaves. */
const everywhere: DataRange = [-3.4e38, 3.4e38]

/** Examples whose hidden pixels are written in place, and what it takes. */
export type Ascent = Unstarted & {
  readonly session: Session
  /** The most rows given to the session at once. */
  readonly maxBatch: number
  /** Samples of the model on its data range, [startSamples.count, dim] flat, for a method that starts from them. */
  readonly samples: () => Promise<Float32Array>
  /** The log-likelihoods of examples [n, dim] flat, nats. */
  readonly score: (x: Float32Array) => Promise<Float32Array>
}

/**
 * Starts the hidden pixels and runs the ascent, chunk by chunk over all examples, so that wherever it ends all have come equally far. An example
 * that would be less likely than one of its starts keeps that: a density that jumps, as one of histograms does, shows a gradient no way up.
 * @throws InvalidValueError for options out of range; InpaintingDivergedError
 */
export async function ascend(ascent: Ascent, options: InpaintOptions): Promise<Pick<Inpainting, 'logLikelihood' | 'trace'>> {
  const { method: name = 'sign', steps = 300, seed = 0, firstIndex = 0, chunk = 25, signal, onProgress } = options
  if (!methodNames.includes(name)) throw new InvalidValueError({ what: 'method', expected: methodNames.join(', '), got: name })
  assertInteger('steps', steps, 1)
  assertInteger('chunk', chunk, 1)
  const { model, x, mask, maxBatch, score } = ascent
  const method: Method = methods[name]
  const { dim } = model
  const count = x.length / dim
  const starts = method.start === 'samples' ? sampleStarts(ascent, await ascent.samples()) : [uniformStart(ascent, seed, firstIndex)]
  x.set(starts[0]!)
  const trace = new Float64Array(steps)
  const cut = Math.max(1, Math.min(maxBatch, Math.floor(noiseNumbers / (chunk * dim))))
  let done = 0
  await onProgress?.({ done, steps, logLikelihood: Number.NaN, x })
  while (done < steps && !signal?.aborted) {
    const length = Math.min(chunk, steps - done)
    for (let first = 0; first < count; first += cut) {
      const last = Math.min(first + cut, count)
      const nats = await advance(ascent, { method, steps, seed, firstIndex, first, last, done, length })
      nats.forEach((value, k) => {
        trace[done + Math.floor(k / (last - first))]! += value / count
      })
    }
    done += length
    assertNumbers(x, dim, name, done)
    await onProgress?.({ done, steps, logLikelihood: trace[done - 1]!, x })
  }
  if (!method.projected) project(x, mask, model.dataRange)
  const logLikelihood = await score(x)
  if (method.start === 'samples') {
    for (const start of starts) {
      const nats = await score(start)
      for (let row = 0; row < count; row++) {
        if (logLikelihood[row]! >= nats[row]!) continue
        logLikelihood[row] = nats[row]!
        x.set(start.subarray(row * dim, (row + 1) * dim), row * dim)
      }
    }
  }
  return { logLikelihood, trace: trace.subarray(0, done) }
}

type Run = {
  readonly method: Method
  readonly steps: number
  readonly seed: number
  readonly firstIndex: number
  /** Rows `first` to `last`, steps `done` to `done + length`. */
  readonly first: number
  readonly last: number
  readonly done: number
  readonly length: number
}

/** Some steps of some rows in one run of the graph; the log-likelihoods [length, rows]. */
async function advance({ session, model, x, mask }: Ascent, run: Run): Promise<Float32Array> {
  const { method, steps, seed, firstIndex, first, last, done, length } = run
  const { dim, dataRange } = model
  const [rows, width] = [last - first, dataRange[1] - dataRange[0]]
  const noise = tensor('float32', [length, rows, dim])
  for (let step = 0; method.noise && step < length; step++) {
    for (let row = 0; row < rows; row++) {
      const [example, observed] = [x, mask].map((all) => all.subarray((first + row) * dim, (first + row + 1) * dim)) as [
        Float32Array,
        Float32Array,
      ]
      const at = (step * rows + row) * dim
      const place = { seed, index: firstIndex + first + row, step: done + step, model, x: example, mask: observed }
      method.noise(place, noise.data.subarray(at, at + dim))
    }
  }
  const sizes = Float32Array.from({ length }, (_, step) => method.stepSize(done + step, steps) * (method.exponent === 0 ? width : 1))
  const results = await session.run({
    x: tensor('float32', [rows, dim], x.slice(first * dim, last * dim)),
    mask: tensor('float32', [rows, dim], mask.slice(first * dim, last * dim)),
    noise,
    step_size: tensor('float32', [length], sizes),
    exponent: tensor('float32', [], Float32Array.of(method.exponent)),
    bounds: tensor('float32', [2], Float32Array.from(method.projected ? dataRange : everywhere)),
  })
  const { filled, log_likelihood: nats } = results
  if (filled?.dtype !== 'float32' || filled.data.length !== rows * dim || nats?.dtype !== 'float32' || nats.data.length !== length * rows) {
    throw new SessionError(`outputs of the inpainter: expected filled [${rows}, ${dim}] and log_likelihood [${length}, ${rows}]`, {
      remedy: 'the graph is not that of this manifest: export the bundle again',
    })
  }
  x.set(filled.data, first * dim)
  return nats.data
}

function project(x: Float32Array, mask: Float32Array, [low, high]: DataRange): void {
  for (let k = 0; k < x.length; k++) if (mask[k] === 0) x[k] = Math.min(high, Math.max(low, x[k]!))
}

function assertNumbers(x: Float32Array, dim: number, method: MethodName, step: number): void {
  const at = x.findIndex((value) => !Number.isFinite(value))
  if (at === -1) return
  throw new InpaintingDivergedError(
    `inpainting of row ${Math.floor(at / dim)} diverged within ${step} steps of method ${method}: a pixel is ${x[at]}`,
    {
      remedy: 'use method sign, whose steps no gradient makes too long',
    },
  )
}
