export { suitedTo } from './adapt.ts'
export { DivergedError } from './diverged.ts'
export * from './engine.ts'
export { type EpochOptions, type EpochProgress, stepsOfEpoch, stepsOfRun, trainEpoch } from './epoch.ts'
export * from './fit.ts'
export {
  type MeasuredMoments,
  type MeasuringOptions,
  type MomentsOptions,
  measureMoments,
  type TrainingRows,
  type WhiteningFacts,
} from './moments.ts'
export * from './onnxruntime.ts'
export * from './presets.ts'
export * from './recipe.ts'
export * from './resident.ts'
export { learningRateAt } from './schedule.ts'
export { type StartedModel, startFrom, startModel } from './start.ts'
export { tfjsEngine } from './tfjs.ts'
export { tfjsKernels } from './tfjs-kernels.ts'
export type { Tensorflow, TfjsValue } from './tfjs-value.ts'
export * from './trained.ts'
export { assertTrainingData, type DataFacts, dataFacts, dataWarnings, imageShiftOf, type TrainingData } from './training-data.ts'
export { type MeasuredWhitening, WhiteningError, type WhiteningProgress } from './whitening.ts'
