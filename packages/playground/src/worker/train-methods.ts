import type { DeviceChoice } from './flow-methods.ts'
import type { Method } from './rpc.ts'

/** What the page may ask the worker that trains. Points are [n, 2] numbers on [0, 1], y upwards. */
export type TrainMethods = {
  /** A new flow on these points; one that was trained before is gone. */
  readonly start: Method<
    { readonly points: Float32Array; readonly seed: number; readonly device: DeviceChoice },
    { readonly parameters: number; readonly device: string }
  >
  /** @returns the mean log-likelihood of what was seen, nats, and the steps done so far; none where all are done */
  readonly advance: Method<{ readonly steps: number }, { readonly logLikelihood: number; readonly step: number } | undefined>
  readonly picture: Method<PictureRequest, TrainedPicture>
}

/** Steps in all: by then the learning rate has fallen to nothing. */
export const lastStep = 3000

export type PictureRequest = {
  /** Rows and columns of the density's grid. */
  readonly side: number
  readonly samples: number
}

export type TrainedPicture = {
  /** At the middles of the grid's cells, row by row from the top, [side * side]: log p, nats. */
  readonly logDensity: Float32Array
  /** [samples, 2] */
  readonly samples: Float32Array
}
