import { totalmem } from 'node:os'
import { NiceflowError, sizeOf } from '@niceflow/core'
import { optimizerOf, type Recipe } from '@niceflow/engine'
import { nice, parameterCount, stateArrays } from '@niceflow/flow'

/** What fitting a recipe takes, and what there is; bytes. */
export type TrainingMemoryEstimate = {
  readonly parameters: number
  /** Fitted parameters and what the optimizer keeps beside each. */
  readonly state: number
  readonly needed: number
  /** The machine's memory, or the part of it that this process may have. */
  readonly machine: number
}

/**
 * The most states in memory at once: the one that a run of steps takes, those that its turns read and write, gradients, the one that it gives, the
 * first and the best, and what is not yet collected as garbage. Measured in runs that left steps of a turn over: the paper's MNIST model with
 * hidden layers of 500, 1000 and 2000 took 701, 1,697 and 6,321 MiB, its states being 64, 219 and 804.
 */
const states = 7.5

/** The process before it has a model, its data among it. */
const baseBytes = 250 * 2 ** 20

/** Values that a step keeps of each hidden unit, of an example, for its gradient: before and after its activation, and the gradient itself. */
const keptOfUnit = 3

/** A machine with less than the model needs. */
export class NotEnoughMemoryError extends NiceflowError {
  override readonly name = 'NotEnoughMemoryError'
}

/** The memory of this machine, or of the container that holds this process; bytes. */
export function machineMemory(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
}

/** An estimate, from above by some tenths, of what a recipe's training takes on the CPU. (On a GPU the states are in its memory; this one holds fewer.) */
export function trainingMemory({ flow: config, training }: Recipe, machine: number = machineMemory()): TrainingMemoryEstimate {
  const flow = nice(config)
  const bytes = (arrays: readonly { readonly dims: readonly number[] }[]): number =>
    arrays.reduce((sum, { dims }) => sum + sizeOf(dims) * Float32Array.BYTES_PER_ELEMENT, 0)
  const state = bytes(stateArrays(flow, optimizerOf(training)))
  // A checkpoint and a graph each hold constants beside what training has.
  const constants = 2 * bytes(flow.parameters.filter(({ trainable }) => !trainable))
  const units = config.couplings * (config.hiddenLayers * config.hiddenDim + config.dim)
  const activations = training.batchSize * units * keptOfUnit * Float32Array.BYTES_PER_ELEMENT
  const needed = baseBytes + states * state + constants + activations
  return { parameters: parameterCount(flow.parameters), state, needed, machine }
}

/** @throws NotEnoughMemoryError where the machine has less than is needed */
export function assertMemory({ parameters, needed, machine }: TrainingMemoryEstimate): void {
  if (needed <= machine) return
  const [wanted, there] = [needed, machine].map((bytes) => `${(bytes / 1e9).toFixed(1)} GB`)
  throw new NotEnoughMemoryError(
    `training ${parameters.toLocaleString('en')} parameters: expected ${wanted} of memory, this machine has ${there}`,
    {
      remedy: 'fit a narrower model (--mid-dim) or one of fewer couplings, take a machine with more, or --force it',
    },
  )
}
