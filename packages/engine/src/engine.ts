import type { Tensor } from '@niceflow/core'
import type { Flow, Optimizer, ParameterValues } from '@niceflow/flow'
import type { Device } from '@niceflow/runtime'

/** What an engine trains, and how. */
export type EngineModel = {
  readonly flow: Flow
  readonly optimizer: Optimizer
  /** The parameters that training does not change. */
  readonly constants: ParameterValues
  /** Probability with which a hidden unit is dropped. @default 0 */
  readonly dropout?: number
}

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
 * Executes the training-step graph and the graphs beside it; it decides nothing about them. It holds the training state, on its device where
 * that is another's memory. Every engine takes the same batches and the same state and gives the same numbers up to float32 rounding.
 */
export type Engine = {
  readonly name: string
  readonly device: Device
  /** Takes a state in place of its own, and leaves what it is given as it is. Until then there is none to train. */
  readonly load: (state: TrainingState) => Promise<void>
  /**
   * Takes the run's steps.
   * @returns each step's mean log-likelihood before its update: [steps], nats
   */
  readonly train: (run: TrainingRun) => Promise<Float32Array>
  /** The state as it is now; later steps leave it alone. */
  readonly state: () => Promise<TrainingState>
  /** log p(x) of each row of x [n, dim] under the parameters that the state stands for (see `parametersOf`): [n], nats. */
  readonly logLikelihood: (x: Tensor<'float32'>) => Promise<Float32Array>
  readonly dispose: () => Promise<void>
}
