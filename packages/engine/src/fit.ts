import type { Examples } from '@niceflow/core'
import { parametersOf } from '@niceflow/flow'
import type { Engine, EngineModel } from './engine.ts'
import { type EpochProgress, stepsOfEpoch, trainEpoch } from './epoch.ts'
import { type OpenSession, onnxRuntimeEngine } from './onnxruntime.ts'
import { type PresetName, presetFor } from './presets.ts'
import { type PartialRecipe, type Recipe, resolveRecipe } from './recipe.ts'
import { startModel } from './start.ts'
import type { Trained } from './trained.ts'
import { assertTrainingData, dataFacts, imageShiftOf, type TrainingData } from './training-data.ts'

export type FitOptions = {
  /** What to fit, all of it: nothing is held out. An array alone is called "array". */
  readonly data: TrainingData | Examples
  /** @default 'small' */
  readonly preset?: PresetName
  readonly config?: PartialRecipe
  /** Opens the sessions of the engine, and those that measure the data. */
  readonly open: OpenSession
  /** @default `onnxRuntimeEngine`, with `open` */
  readonly makeEngine?: (model: EngineModel) => Promise<Engine>
}

export type FitProgress = EpochProgress & {
  /** From 1. */
  readonly epoch: number
  /** Steps to do in all epochs. */
  readonly steps: number
}

/** A flow that is being fitted. */
export type Fit = {
  readonly recipe: Recipe
  readonly engine: Engine
  /**
   * Trains while it is iterated over, and tells of each run of the training graph. It waits between one and the next, for as long as its
   * reader likes: a page paints then if it waits for something, such as an animation frame. Whoever stops early keeps what was learned so far.
   * @throws DivergedError
   */
  readonly progress: AsyncGenerator<FitProgress, void, undefined>
  /** The model as it is now. */
  readonly trained: () => Promise<Trained>
  /** Frees the engine. */
  readonly dispose: () => Promise<void>
}

/** What stands for the identity of data that have no file. */
const unknownIdentity = '0'.repeat(64)

/**
 * Begins to fit a flow by maximum likelihood, in whatever host `open` is of: it needs no files and keeps none. The same recipe takes the same
 * steps as `train` of `@niceflow/trainer` with no validation examples.
 * @throws InvalidValueError for data that cannot be fitted, InvalidConfigError, what `open` and `makeEngine` throw
 */
export async function startFit({ data: given, preset = 'small', config = {}, open, makeEngine }: FitOptions): Promise<Fit> {
  const data = 'examples' in given ? given : { name: 'array', sha256: unknownIdentity, examples: given, imageShape: null }
  assertTrainingData(data)
  const { examples } = data
  const [count, dim] = examples.dims as [number, number]
  const resolved = resolveRecipe(presetFor(preset, data.name), config, dim)
  const recipe: Recipe = { ...resolved, training: { ...resolved.training, validation: 0, patience: 0, saveEvery: 0 } }
  const indices = Uint32Array.from({ length: count }, (_, i) => i)
  const rows = { examples, indices, imageShift: imageShiftOf(data, recipe.training) }
  const { arrays, ...model } = await startModel(recipe, rows, open)
  const { dropout, epochs } = recipe.training
  const engine = await (makeEngine ?? ((model) => onnxRuntimeEngine(model, open)))({ ...model, dropout })
  await engine.load({ step: 0, arrays })
  let reached = { epoch: 0, step: 0 }

  async function* progress(): AsyncGenerator<FitProgress, void, undefined> {
    const steps = epochs * stepsOfEpoch(count, recipe)
    for (let epoch = 0; epoch < epochs; epoch++) {
      for await (const run of trainEpoch({ ...rows, engine, recipe, epoch, step: reached.step })) {
        reached = { epoch: epoch + 1, step: run.step }
        yield { ...run, epoch: epoch + 1, steps }
      }
    }
  }

  return {
    recipe,
    engine,
    progress: progress(),
    trained: async () => {
      const parameters = parametersOf(model.flow, model.optimizer, (await engine.state()).arrays, model.constants)
      const { epoch, step } = reached
      return { recipe, data: dataFacts(data), parameters, epochs: epoch, steps: step, engine: engine.name }
    },
    dispose: () => engine.dispose(),
  }
}
