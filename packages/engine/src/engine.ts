import type { Tensor } from '@niceflow/core'
import type { ParameterValues } from '@niceflow/flow'
import type { Device } from '@niceflow/runtime'

/** Everything that training changes, by name: the trainable parameters and what the optimizer keeps beside them; and how many steps made it. */
export type TrainingState = { readonly step: number; readonly arrays: ParameterValues }

/** Batches and learning rates of consecutive steps. */
export type TrainingRun = {
  /** [steps, batch, dim], on the data range */
  readonly x: Tensor<'float32'>
  /** One for each step. */
  readonly learningRates: ArrayLike<number>
  /** Other draws that the training graph takes, by name: dropout's. */
  readonly draws?: Readonly<Record<string, Tensor<'float32'>>>
}

/**
 * Executes the training-step graph and the graphs beside it; it decides nothing about them. Every engine takes the same batches and the same
 * state and returns the same numbers up to float32 rounding.
 */
export type Engine = {
  readonly name: string
  readonly device: Device
  /** @returns the state after the run's steps, and each step's mean log-likelihood before its update, nats */
  readonly train: (
    state: TrainingState,
    run: TrainingRun,
  ) => Promise<{ readonly state: TrainingState; readonly logLikelihood: Float32Array }>
  /** log p(x) of each row of x [n, dim] under these parameters: [n], nats. */
  readonly logLikelihood: (parameters: ParameterValues, x: Tensor<'float32'>) => Promise<Float32Array>
  readonly dispose: () => Promise<void>
}
