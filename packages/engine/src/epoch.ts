import { batches, tensor } from '@niceflow/core'
import { dropoutDraws } from '@niceflow/flow'
import type { Device } from '@niceflow/runtime'
import { DivergedError } from './diverged.ts'
import type { Engine } from './engine.ts'
import type { TrainingRows } from './moments.ts'
import type { Recipe } from './recipe.ts'
import { learningRateAt } from './schedule.ts'

export type EpochOptions = TrainingRows & {
  /** One that has its state. */
  readonly engine: Engine
  readonly recipe: Recipe
  /** From 0. */
  readonly epoch: number
  /** Steps done in all epochs before. */
  readonly step: number
  /** What to throw for a log-likelihood that is no number. */
  readonly diverged?: (fault: string) => DivergedError
}

/** Where an epoch is after a run of the training graph. */
export type EpochProgress = {
  /** Steps done in all epochs. */
  readonly step: number
  /** Examples of this epoch that were seen. */
  readonly seen: number
  /** Their mean, each before its batch's update, nats. */
  readonly logLikelihood: number
}

export const stepsOfEpoch = (examples: number, { training }: Recipe): number => Math.ceil(examples / training.batchSize)

/** Bytes of batches for which a run is made longer than the recipe has it, 256 MiB. */
const longRun = 2 ** 28

/**
 * Steps in a run of the training graph. On CUDA up to five times as many as the recipe has, where their batches take little memory: a run of
 * onnxruntime moves the state in and out, whatever its steps, and these take a fraction of the CPU's time.
 */
export function stepsOfRun({ flow, training }: Recipe, device: Device): number {
  const { stepsPerRun, batchSize } = training
  if (device !== 'cuda') return stepsPerRun
  const fitting = Math.floor(longRun / (4 * batchSize * flow.dim))
  return Math.max(stepsPerRun, Math.min(5 * stepsPerRun, fitting))
}

/**
 * Trains for an epoch, and tells of each run of the graph when it is done. It gives the host no time of its own: who iterates does, before
 * asking for the next.
 * @throws DivergedError
 */
export async function* trainEpoch({
  engine,
  recipe,
  examples,
  indices,
  imageShift,
  epoch,
  step: start,
  diverged = divergedHere,
}: EpochOptions): AsyncGenerator<EpochProgress, void, undefined> {
  const { flow, training } = recipe
  const { seed, dropout, epochs, plainEpochs } = training
  const stepsPerEpoch = stepsOfEpoch(indices.length, recipe)
  const moved = epoch < epochs - plainEpochs ? imageShift : undefined
  let [step, seen, sum] = [start, 0, 0]
  const stepsPerRun = stepsOfRun(recipe, engine.device)
  const runs = batches({ examples, indices, ...training, stepsPerRun, epoch, range: flow.dataRange, imageShift: moved })
  let next = runs.next()
  while (!next.done) {
    const { x, steps, batch } = next.value
    const learningRates = Float64Array.from({ length: steps }, (_, k) => learningRateAt(step + k, stepsPerEpoch, training))
    const draws = dropout > 0 ? dropoutDraws(flow, { seed, step, steps, batch }) : {}
    const going = engine.train({ x: tensor('float32', [steps, batch, flow.dim], x), learningRates, draws })
    // A GPU leaves the host's cores free for the next batches; steps on the CPU would share them.
    const ahead = engine.device === 'cuda' ? runs.next() : undefined
    const logLikelihood = await going
    const broken = logLikelihood.findIndex((nats) => !Number.isFinite(nats))
    if (broken >= 0) throw diverged(`the log-likelihood of step ${step + broken + 1} is ${logLikelihood[broken]}`)
    step += steps
    seen += batch * steps
    sum += batch * logLikelihood.reduce((total, nats) => total + nats, 0)
    yield { step, seen, logLikelihood: sum / seen }
    next = ahead ?? runs.next()
  }
}

function divergedHere(fault: string): DivergedError {
  return new DivergedError(`training diverged: ${fault}`, { remedy: 'train again with a lower learningRate, a warmup or a larger epsilon' })
}
