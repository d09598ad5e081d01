import { tensor } from '@niceflow/core'
import {
  type Flow,
  initialize,
  logScale,
  networkStarts,
  nice,
  type Optimizer,
  type Parameter,
  type ParameterValues,
  scaleInitial,
  stateArrays,
} from '@niceflow/flow'
import type { EngineModel } from './engine.ts'
import { type MeasuringOptions, measureMoments, type TrainingRows } from './moments.ts'
import type { OpenSession } from './onnxruntime.ts'
import { optimizerOf, type Recipe } from './recipe.ts'

/** A model, and the arrays that its training begins with and changes. */
export type StartedModel = Omit<EngineModel, 'dropout'> & { readonly arrays: ParameterValues }

/**
 * The model of a recipe with the values that its training begins with.
 * @param open runs the preprocessing steps behind which the data are measured
 * @param initial parameters and what the optimizer keeps; drawn, and measured on the data, when left out
 * @throws InvalidValueError, WhiteningError for data that cannot be whitened as asked for
 */
export async function startModel(
  recipe: Recipe,
  data: TrainingRows,
  open: OpenSession,
  initial?: ParameterValues | undefined,
  measuring: MeasuringOptions = {},
): Promise<StartedModel> {
  const { seed, dequantization } = recipe.training
  const flow = nice(recipe.flow)
  const optimizer = optimizerOf(recipe.training)
  const measured = (steps: number, values: ParameterValues): ReturnType<typeof measureMoments> =>
    measureMoments({ ...measuring, flow, data, seed, dequantization, steps, values, open })
  const values = initial ?? (await initialize(startsOf(flow, recipe), seed, measured))
  return { flow, optimizer, ...startFrom(flow, optimizer, values) }
}

/** The flow's parameters with the starts that the recipe wants for s and the networks. */
function startsOf({ config, couplings, parameters }: Flow, { training }: Recipe): readonly Parameter[] {
  const networks = couplings.map((coupling) => networkStarts(coupling.parameters, training.couplingInit, config, config.dim))
  const starts = Object.assign({ [logScale]: scaleInitial(config, training.scaleInit) }, ...networks)
  return parameters.map((parameter) => ({ ...parameter, initial: starts[parameter.name] ?? parameter.initial }))
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
