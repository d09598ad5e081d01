import { splitIndices } from '@niceflow/data'
import { imageShiftOf, type Recipe, type StartedModel, startModel, type TrainingData } from '@niceflow/engine'
import type { ParameterValues } from '@niceflow/flow'
import type { EngineOptions } from './engine-calls.ts'
import type { FitOptions, TrainProgress } from './fit.ts'
import { trainingSessions } from './make-engine.ts'
import { whiteningCache } from './whitening-cache.ts'

/** What a run starts from. */
export type Start = StartedModel & Pick<FitOptions, 'split' | 'imageShift'>

export type StartOptions = Pick<EngineOptions, 'threads'> & {
  /** Parameters and what the optimizer keeps; drawn, and measured on the data, when left out. */
  readonly initial?: ParameterValues
  readonly onProgress?: ((progress: TrainProgress) => void) | undefined
}

/** The model of a recipe, the split of its data, and the values that its training begins with. */
export async function startRun(data: TrainingData, recipe: Recipe, { initial, threads, onProgress }: StartOptions = {}): Promise<Start> {
  const { seed, validation } = recipe.training
  const { examples } = data
  const imageShift = imageShiftOf(data, recipe.training)
  const split = splitIndices(examples.dims[0]!, validation, seed)
  const open = trainingSessions({ device: 'cpu', ...(threads === undefined ? {} : { threads }) })
  const keep = whiteningCache({
    data,
    indices: split.train,
    recipe,
    onWarning: (message) => onProgress?.({ kind: 'warning', message }),
    onFound: (report) => onProgress?.({ kind: 'whitened', ...report }),
  })
  const model = await startModel(recipe, { examples, indices: split.train, imageShift }, open, initial, {
    keep,
    onProgress: (progress) => onProgress?.({ kind: 'whitening', ...progress }),
  })
  return { ...model, split, imageShift }
}
