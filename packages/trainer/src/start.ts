import { tensor } from '@niceflow/core'
import { splitIndices } from '@niceflow/data'
import {
  type Flow,
  initialize,
  logScale,
  nice,
  type Optimizer,
  type Parameter,
  type ParameterValues,
  scaleInitial,
  stateArrays,
} from '@niceflow/flow'
import { optimizerOf, type Recipe } from './config.ts'
import type { EngineOptions } from './engine-calls.ts'
import type { FitOptions } from './fit.ts'
import { trainingSessions } from './make-engine.ts'
import { measureMoments } from './moments.ts'
import { imageShiftOf, type TrainingData } from './training-data.ts'

/** What a run starts from. */
export type Start = Pick<FitOptions, 'flow' | 'optimizer' | 'split' | 'imageShift' | 'constants'> & {
  /** The arrays that training changes. */
  readonly arrays: ParameterValues
}

export type StartOptions = Pick<EngineOptions, 'threads'> & {
  /** Parameters and what the optimizer keeps; drawn, and measured on the data, when left out. */
  readonly initial?: ParameterValues
}

/** The model of a recipe, the split of its data, and the values that its training begins with. */
export async function startRun(data: TrainingData, recipe: Recipe, { initial, threads }: StartOptions = {}): Promise<Start> {
  const { seed, validation } = recipe.training
  const flow = nice(recipe.flow)
  const optimizer = optimizerOf(recipe.training)
  const imageShift = imageShiftOf(data, recipe.training)
  const split = splitIndices(data.examples.dims[0]!, validation, seed)
  const open = trainingSessions({ device: 'cpu', ...(threads === undefined ? {} : { threads }) })
  const measured = (steps: number, values: ParameterValues): ReturnType<typeof measureMoments> =>
    measureMoments({ flow, data, indices: split.train, seed, imageShift, steps, values, open })
  const values = initial ?? (await initialize(startsOf(flow, recipe), seed, measured))
  return { flow, optimizer, split, imageShift, ...startFrom(flow, optimizer, values) }
}

/** The flow's parameters with the start that the recipe wants for s. */
function startsOf(flow: Flow, { training }: Recipe): readonly Parameter[] {
  const initial = scaleInitial(flow.config, training.scaleInit)
  return flow.parameters.map((parameter) => (parameter.name === logScale ? { ...parameter, initial } : parameter))
}

/** Values by name as a training graph takes them: the arrays that training changes, zero where none is given, and the constants. */
export function startFrom(
  flow: Flow,
  optimizer: Optimizer,
  values: ParameterValues,
): { readonly arrays: ParameterValues; readonly constants: ParameterValues } {
  const arrays = Object.fromEntries(stateArrays(flow, optimizer).map(({ name, dims }) => [name, values[name] ?? tensor('float32', dims)]))
  return { arrays, constants: Object.fromEntries(Object.entries(values).filter(([name]) => !arrays[name])) }
}
