import type { DataRange } from '@niceflow/core'
import type { InterpolationKind } from '@niceflow/runtime'
import type { WebDevice } from '@niceflow/runtime-web'
import type { Method } from './rpc.ts'

/** What the page may ask the worker that owns the flow. Images are [n * dim] numbers, row by row. */
export type FlowMethods = {
  /** Loads a bundle; one that was loaded before makes room first. */
  readonly load: Method<{ readonly url: string; readonly device: DeviceChoice }, FlowFacts, LoadProgress>
  readonly sample: Method<{ readonly count: number; readonly seed: number; readonly temperature: number }, Float32Array>
  readonly score: Method<Uint8Array, PixelScore>
  readonly inpaint: Method<InpaintRequest, { readonly x: Float32Array; readonly logLikelihood: number; readonly done: number }, Filling>
  readonly path: Method<PathRequest, Scored>
  readonly sweep: Method<SweepRequest, Scored & { readonly values: readonly number[]; readonly own: number }>
}

export type DeviceChoice = WebDevice | 'auto'
export const deviceChoices: readonly DeviceChoice[] = ['auto', 'wasm', 'webgpu']

export type FlowFacts = {
  readonly name: string
  readonly device: WebDevice
  readonly threads: number
  readonly dtype: string
  readonly dim: number
  readonly range: DataRange
  readonly bytes: number
  /** Latent dimensions, the most important first. */
  readonly order: readonly number[]
}

export type LoadProgress =
  | { readonly kind: 'bytes'; readonly loaded: number; readonly total: number }
  | { readonly kind: 'warning'; readonly message: string }

/** What is told of one image. */
export type PixelScore = {
  /** Nats on the model's data range. */
  readonly logLikelihood: number
  readonly bitsPerDim: number
  readonly percentile: number | null
  /** The share of held-out digits that are as far from the mean likelihood, on either side. */
  readonly typicality: number | null
  /** The share that are as rare in likelihood and size together. */
  readonly rarity: number | null
  readonly outlier: boolean | null
  /** Bits that the model spends on each pixel, [dim]; they sum up to bitsPerDim * dim, less `restBits`. */
  readonly bits: Float32Array
  readonly restBits: number
}

export type InpaintRequest = {
  readonly pixels: Uint8Array
  /** 1 where a pixel is observed. */
  readonly mask: Float32Array
  readonly steps: number
  readonly seed: number
}

/** An ascent on its way. */
export type Filling = { readonly done: number; readonly steps: number; readonly logLikelihood: number; readonly x: Float32Array }

export type PathRequest = {
  readonly from: Uint8Array
  readonly to: Uint8Array
  readonly kind: InterpolationKind
  readonly steps: number
}

export type SweepRequest = {
  /** The prior's mode when left out. */
  readonly from?: Uint8Array
  readonly dimension: number
  readonly steps: number
}

/** Images [steps * dim], and the nats of each. */
export type Scored = { readonly x: Float32Array; readonly logLikelihood: Float64Array }
