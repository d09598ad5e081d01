import { type Manifest, NiceflowError, type Tensor, tensor } from '@niceflow/core'
import { assertRun, type Device, type Port, type Session, SessionError } from './index.ts'

/** A session whose graph is a JavaScript function; what an adapter must do around its runtime, and nothing else. */
export function fakeSession(
  inputs: readonly Port[],
  outputNames: readonly string[],
  compute: (feeds: Readonly<Record<string, Tensor>>) => Readonly<Record<string, Tensor>>,
  device: Device = 'cpu',
): Session {
  let disposed = false
  return {
    inputNames: inputs.map(({ name }) => name),
    outputNames,
    device,
    async run(feeds, outputs = outputNames) {
      if (disposed) throw new SessionError('fake: disposed')
      assertRun('fake', inputs, outputNames, feeds, outputs)
      const results = compute(feeds)
      return Object.fromEntries(outputs.map((name) => [name, results[name]!]))
    },
    async dispose() {
      disposed = true
    },
  }
}

/** The log scales of the tiny flow z = exp(s) * x. */
export const logScales: readonly number[] = [0, Math.LN2, -1]

/** log p(z) = -softplus(z) - softplus(-z), summed, plus the log-determinant sum(s), in float64. */
export function exactLogLikelihood(x: readonly number[]): number {
  return x.reduce((sum, value, d) => {
    const z = Math.exp(logScales[d]!) * value
    return sum + logScales[d]! - Math.log1p(Math.exp(z)) - Math.log1p(Math.exp(-z))
  }, 0)
}

/** The tiny flow's two sessions, and the batch sizes that they were run with. */
export function tinySessions(device: Device = 'cpu'): { encoder: Session; decoder: Session; batches: number[] } {
  const batches: number[] = []
  const rowsOf = ({ dims, data }: Tensor): number[][] => {
    batches.push(dims[0]!)
    return Array.from({ length: dims[0]! }, (_, i) => Array.from(data.subarray(3 * i, 3 * i + 3), Number))
  }
  const matrix = (rows: readonly number[][]) => tensor('float32', [rows.length, 3], Float32Array.from(rows.flat()))
  const port = (name: string): Port => ({ name, dtype: 'float32', dims: ['batch', 3] })
  const encoder = fakeSession(
    [port('x')],
    ['z', 'log_likelihood'],
    ({ x }) => {
      const rows = rowsOf(x!)
      return {
        z: matrix(rows.map((row) => row.map((value, d) => Math.exp(logScales[d]!) * value))),
        log_likelihood: tensor('float32', [rows.length], Float32Array.from(rows, exactLogLikelihood)),
      }
    },
    device,
  )
  const decoder = fakeSession(
    [port('z')],
    ['x'],
    ({ z }) => ({ x: matrix(rowsOf(z!).map((row) => row.map((value, d) => Math.exp(-logScales[d]!) * value))) }),
    device,
  )
  return { encoder, decoder, batches }
}

/** d log p / d x of the tiny flow: -exp(s) tanh(z / 2). */
export function exactGradient(x: readonly number[]): number[] {
  return x.map((value, d) => -Math.exp(logScales[d]!) * Math.tanh((Math.exp(logScales[d]!) * value) / 2))
}

/** The tiny flow's inpainter, as `inpainterGraph` of `@niceflow/flow` describes it, in float64 between steps; and the shapes of noise that it was given. */
export function tinyInpainter(device: Device = 'cpu'): { readonly session: Session; readonly runs: (readonly number[])[] } {
  const runs: (readonly number[])[] = []
  const port = (name: string, dims: Port['dims']): Port => ({ name, dtype: 'float32', dims })
  const inputs = [
    port('x', ['batch', 3]),
    port('mask', ['batch', 3]),
    port('noise', ['steps', 'batch', 3]),
    port('step_size', ['steps']),
    port('exponent', []),
    port('bounds', [2]),
  ]
  const compute = (feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> => {
    const [x, mask, noise, sizes, exponents, bounds] = inputs.map(({ name }) => Array.from(feeds[name]!.data, Number)) as number[][]
    runs.push(feeds.noise!.dims)
    const clip = (value: number): number => Math.min(bounds![1]!, Math.max(bounds![0]!, value))
    let state = x!
    const nats = sizes!.flatMap((size, step) => {
      const y = state.map((value, k) => {
        const moved = Math.fround(value + noise![step * state.length + k]!)
        return mask![k] === 0 ? clip(moved) : moved
      })
      const rows = Array.from({ length: y.length / 3 }, (_, row) => y.slice(3 * row, 3 * row + 3))
      const gradient = rows.flatMap(exactGradient)
      state = state.map((value, k) => {
        const way = Math.sign(gradient[k]!) * Math.abs(gradient[k]!) ** exponents![0]!
        return mask![k] === 0 ? Math.fround(clip(y[k]! + size * way)) : value
      })
      return rows.map(exactLogLikelihood)
    })
    return {
      filled: tensor('float32', feeds.x!.dims, Float32Array.from(state)),
      log_likelihood: tensor('float32', [sizes!.length, x!.length / 3], Float32Array.from(nats)),
    }
  }
  return { session: fakeSession(inputs, ['filled', 'log_likelihood'], compute, device), runs }
}

export const tinyManifest: Manifest = {
  formatVersion: 1,
  name: 'tiny',
  model: { dim: 3, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: null },
  config: {},
  dtype: 'fp32',
  variants: { fp32: { encoder: 'encoder.onnx', decoder: 'decoder.onnx', weights: 'weights.bin' } },
  files: {
    'encoder.onnx': { bytes: 1, sha256: '1'.repeat(64) },
    'decoder.onnx': { bytes: 2, sha256: '2'.repeat(64) },
    'weights.bin': { bytes: 3, sha256: '3'.repeat(64) },
  },
  provenance: {
    seed: 0,
    dataset: 'none',
    datasetSha256: '0'.repeat(64),
    trainingExamples: 1,
    epochs: 0,
    steps: 0,
    engine: 'none',
    versions: {},
  },
  evaluation: null,
  calibration: null,
}

/** The error of a promise, with its remedy: what a caller would read. */
export async function failure(promise: Promise<unknown>): Promise<{ message: string; remedy: string | undefined }> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  if (!NiceflowError.is(error)) throw error
  return { message: error.message, remedy: error.remedy }
}
