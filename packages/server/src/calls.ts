import type { Manifest, StorageType, Tensor } from '@niceflow/core'
import type { Device, InpaintOptions, PriorDraws } from '@niceflow/runtime'
import type { LoadOptions } from '@niceflow/runtime-node'
import type { Fault } from './errors.ts'

/** The graphs that run batch by batch, and what each can be asked for; its input is the other's output. */
export const graphPorts = {
  encoder: { input: 'x', outputs: ['z', 'log_likelihood'] },
  decoder: { input: 'z', outputs: ['x'] },
} as const
export type GraphName = keyof typeof graphPorts
export type OutputName = (typeof graphPorts)[GraphName]['outputs'][number]

/** Rows of one request in a batch: examples, pixels dequantised; latents; or draws of the prior. */
export type Part =
  | {
      readonly kind: 'examples'
      readonly data: Uint8Array | Float32Array
      readonly seed: number
      readonly firstIndex: number
      readonly draws: number
    }
  | { readonly kind: 'latents'; readonly data: Float32Array }
  | ({ readonly kind: 'prior'; readonly count: number } & Required<Pick<PriorDraws, 'seed' | 'firstIndex' | 'temperature'>>)

/** A batch: the rows of its parts, one after another. */
export type BatchCall = {
  readonly kind: 'batch'
  readonly graph: GraphName
  readonly outputs: readonly OutputName[]
  readonly parts: readonly Part[]
}

export type InpaintCall = {
  readonly kind: 'inpaint'
  readonly x: Tensor<'float32'> | Tensor<'uint8'>
  /** [n, dim] or [dim]: 1 for a pixel that is observed */
  readonly mask: Float32Array
  readonly options: Pick<InpaintOptions, 'method' | 'steps' | 'seed' | 'firstIndex'>
}

export type BatchAnswer = {
  /** [rows, width] flat, by name */
  readonly outputs: Readonly<Partial<Record<OutputName, Float32Array>>>
  /** Milliseconds of drawing and joining rows, and of the graph. */
  readonly inputMs: number
  readonly computeMs: number
}
export type InpaintAnswer = { readonly x: Float32Array; readonly logLikelihood: Float32Array; readonly done: number }

/** What a worker can be asked for, and what it answers. */
export type Calls = { readonly batch: [BatchCall, BatchAnswer]; readonly inpaint: [InpaintCall, InpaintAnswer] }
export type Call = Calls[keyof Calls][0]
export type AnswerOf<C extends Call> = Calls[C['kind']][1]

/** The bundle of a worker: data alone, which another process can be sent. */
export type WorkerSpec = { readonly dir: string } & Pick<LoadOptions, 'dtype' | 'device' | 'threads' | 'deviceId' | 'tf32'>

/** What a worker that has opened its bundle tells of it: the device is the one that its graphs truly run on. */
export type WorkerFacts = { readonly manifest: Manifest; readonly dtype: StorageType; readonly device: Device }

export type Request = { readonly id: number; readonly call: Call }
export type Response =
  | { readonly facts: WorkerFacts }
  | { readonly fault: Fault; readonly id?: number }
  | { readonly id: number; readonly answer: AnswerOf<Call> }
