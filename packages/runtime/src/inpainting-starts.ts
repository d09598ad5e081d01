import { fillUniform, type ModelFacts, streamKey } from '@niceflow/core'

/** The samples that a start is made of: so many are drawn, cooler than the model's own, and the nearest of them averaged. */
export const startSamples = { count: 1000, temperature: 0.7, nearest: 8 } as const

/** Examples [n, dim] flat whose hidden pixels (where `mask` is 0) have nothing in them yet. */
export type Unstarted = { readonly model: ModelFacts; readonly x: Float32Array; readonly mask: Float32Array }

/** Hidden pixels uniform on the data range. */
export function uniformStart({ model, x, mask }: Unstarted, seed: number, firstIndex: number): Float32Array {
  const { dim, dataRange } = model
  const [low, high] = dataRange
  const drawn = new Float32Array(x.length)
  for (let row = 0; row < x.length / dim; row++) {
    fillUniform(streamKey(seed, 'inpaintingStart', firstIndex + row), drawn, row * dim, (row + 1) * dim)
  }
  return x.map((value, k) => (mask[k] === 1 ? value : low + (high - low) * drawn[k]!))
}

/** Hidden pixels as the samples have them whose observed pixels are nearest to an example's, by squared distance: the mean of some, and the nearest. */
export function sampleStarts(
  { model: { dim }, x, mask }: Unstarted,
  samples: Float32Array,
): readonly [mean: Float32Array, nearest: Float32Array] {
  const distances = new Float64Array(samples.length / dim)
  const starts = [x.slice(), x.slice()] as [Float32Array, Float32Array]
  for (let first = 0; first < x.length; first += dim) {
    for (let sample = 0; sample < distances.length; sample++) {
      let sum = 0
      for (let d = 0; d < dim; d++) if (mask[first + d] === 1) sum += (samples[sample * dim + d]! - x[first + d]!) ** 2
      distances[sample] = sum
    }
    const order = Array.from(distances, (_, sample) => sample).sort((a, b) => distances[a]! - distances[b]! || a - b)
    const nearest = order.slice(0, startSamples.nearest)
    for (let d = 0; d < dim; d++) {
      if (mask[first + d] === 1) continue
      starts[0][first + d] = nearest.reduce((sum, sample) => sum + samples[sample * dim + d]! / nearest.length, 0)
      starts[1][first + d] = samples[nearest[0]! * dim + d]!
    }
  }
  return starts
}
