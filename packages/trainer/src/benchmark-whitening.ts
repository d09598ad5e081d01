import { fillUniform, streamKey, type Tensor, tensor } from '@niceflow/core'
import { measureMoments, type WhiteningProgress } from '@niceflow/engine'
import { nice, paperFlows } from '@niceflow/flow'
import { timed } from './benchmark-peak.ts'
import type { EngineOptions } from './engine-calls.ts'
import { trainingSessions } from './make-engine.ts'

/** Whitening as a run begins with it where none is kept, measured once. */
export type WhiteningFigure = {
  readonly data: string
  readonly examples: number
  readonly dim: number
  readonly epsilon: number
  /** All of it: covariance, root, residual and determinant. */
  readonly seconds: number
  readonly covarianceSeconds: number
  /** max |W (C + epsilon I) W' - I| */
  readonly residual: number
  /** ln|det W|, nats on [0, 1]. */
  readonly logDet: number
}

type Whitened = { readonly name: string; readonly examples: Tensor<'uint8'>; readonly epsilon: number }

/** Colour images of the size of CIFAR-10's and SVHN's. */
const side = 32
const channels = 3
/** How a pixel goes with its neighbour, and a colour with the next: natural images are near a Markov process of such correlations. */
const neighbours = 0.95
const colours = 0.9

/**
 * Images that are a separable first-order Markov process in rows, columns and colours, rounded to pixels: the usual model of natural images'
 * covariance, whose largest and smallest eigenvalues are 10^7 apart.
 * @see Jain 1989, Fundamentals of Digital Image Processing, section 2.10
 */
export function markovImages(count: number): Tensor<'uint8'> {
  const dim = side * side * channels
  const images = tensor('uint8', [count, dim])
  const x = new Float32Array(dim)
  for (let i = 0; i < count; i++) {
    fillUniform(streamKey(0, 'probe', i), x)
    // Uniform on +-sqrt 3: of variance 1, which smoothing along an axis keeps.
    for (let d = 0; d < dim; d++) x[d] = (2 * x[d]! - 1) * Math.sqrt(3)
    smooth(x, side * channels, neighbours, () => true)
    smooth(x, channels, neighbours, (d) => d % (side * channels) >= channels)
    smooth(x, 1, colours, (d) => d % channels > 0)
    for (let d = 0; d < dim; d++) images.data[i * dim + d] = Math.min(255, Math.max(0, Math.floor(128 + 50 * x[d]!)))
  }
  return images
}

/** x_d = r x_before + sqrt(1 - r^2) x_d, along an axis of that stride, where there is one before. */
function smooth(x: Float32Array, stride: number, r: number, within: (d: number) => boolean): void {
  const fresh = Math.sqrt(1 - r ** 2)
  for (let d = stride; d < x.length; d++) if (within(d)) x[d] = r * x[d - stride]! + fresh * x[d]!
}

/** The time that it takes to whiten images, from their pixels to W. */
export async function measureWhiteningTime(
  { name, examples, epsilon }: Whitened,
  options: EngineOptions,
  onProgress?: (what: string) => void,
): Promise<WhiteningFigure> {
  const [count, dim] = examples.dims as [number, number]
  onProgress?.(`whitening ${dim} dimensions of ${count} examples of ${name}`)
  const flow = nice({ ...paperFlows.svhn, dim, hiddenDim: 1 })
  const indices = Uint32Array.from({ length: count }, (_, i) => i)
  const start = performance.now()
  let covarianceSeconds = 0
  const onWhitening = ({ what, done, total }: WhiteningProgress): void => {
    if (what === 'covariance' && done === total) covarianceSeconds = (performance.now() - start) / 1000
  }
  const {
    result: { logDet, residual },
    seconds,
  } = await timed(async () => {
    const open = trainingSessions({ ...options, device: 'cpu' })
    const moments = await measureMoments({
      flow,
      data: { examples, indices },
      seed: 0,
      dequantization: 'independent',
      steps: 0,
      values: {},
      open,
      onProgress: onWhitening,
    })
    return moments.whitening(epsilon)
  })
  return { data: name, examples: count, dim, epsilon, seconds, covarianceSeconds, residual, logDet }
}
