import { InvalidValueError, type Tensor, tensor } from '@niceflow/core'
import type { Optimizer } from '@niceflow/flow'
import type { TrainingRun } from './engine.ts'

/**
 * The optimizer's numbers for each step of a run, by name: [steps].
 * @param step those done before
 * @throws InvalidValueError where there is not one learning rate for each step of x
 */
export function scalarsOf(optimizer: Optimizer, step: number, { x, learningRates }: TrainingRun): Record<string, Tensor<'float32'>> {
  const steps = learningRates.length
  if (x.dims[0] !== steps)
    throw new InvalidValueError({ what: 'learning rates', expected: `one for each of ${x.dims[0]} steps`, got: steps })
  const columns = Array.from({ length: steps }, (_, k) => optimizer.scalarsAt(step + k + 1, learningRates[k]!))
  const column = (i: number): Float32Array<ArrayBuffer> => Float32Array.from(columns, (numbers) => numbers[i]!)
  return Object.fromEntries(optimizer.scalars.map((name, i) => [name, tensor('float32', [steps], column(i))]))
}

/** @throws InvalidValueError where an engine was given no state yet */
export function loaded<T>(state: T | undefined): T {
  if (state === undefined) throw new InvalidValueError({ what: 'state of the engine', expected: 'one that was loaded', got: 'none' })
  return state
}
