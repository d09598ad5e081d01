export {
  type DataFacts,
  DivergedError,
  dataFacts,
  defaultPreset,
  optimizerOf,
  type PartialRecipe,
  type PresetName,
  presetFor,
  presets,
  type Recipe,
  resolveRecipe,
  type Schedule,
  startFrom,
  suitedTo,
  type TrainingConfig,
  type TrainingData,
  tablePreset,
} from '@niceflow/engine'
export * from './benchmark.ts'
export type { InpaintingFigure } from './benchmark-inpainting.ts'
export type { WhiteningFigure } from './benchmark-whitening.ts'
export * from './bundle.ts'
export { type BundleSource, type Figures, manifestFile, readSource } from './bundle-source.ts'
export { CheckpointError, type EpochRecord, type RunState } from './checkpoint.ts'
export * from './config.ts'
export * from './detection.ts'
export { StoppedError } from './ended.ts'
export { EngineError, type EngineName, type EngineOptions, type EngineSpec, engineNames, engineOptions } from './engine-calls.ts'
export { engineProcess } from './engine-process.ts'
export * from './evaluate.ts'
export { ensureFolder, exists, syncFolder, temporaryName, WriteError, writeAtomic, writeError } from './files.ts'
export type { SnapshotOptions, TrainProgress } from './fit.ts'
export { readHistory, type TimedEpoch } from './history.ts'
export { type ImportedRun, type ImportFormat, type ImportOptions, importFormats, importRun } from './import-run.ts'
export {
  type Correlations,
  type Independence,
  type IndependenceOptions,
  latentIndependence,
  type Marginals,
  testLevel,
} from './independence.ts'
export { LockedError, takeLock } from './lock.ts'
export { readLogScale } from './log-scale.ts'
export { makeEngine } from './make-engine.ts'
export { machineMemory, NotEnoughMemoryError, type TrainingMemoryEstimate, trainingMemory } from './memory.ts'
export { type EngineReport, probeEngines } from './probe-engines.ts'
export { type Program, programBeside } from './program.ts'
export { replaceFolder } from './replace.ts'
export { type Run, readRun, runSamples, runTable, scratchBundle } from './run.ts'
export { assertReplaceableFile, type SingleFileOptions, type SingleGraph, singleGraphs, writeSingleFile } from './single-file.ts'
export * from './spectrum.ts'
export { type Start, startRun } from './start.ts'
export { type StateDict, type StateDictOptions, writeStateDict } from './state-dict.ts'
export { type Target, type TargetGraphs, type TargetOptions, targets, writeTarget } from './targets.ts'
export { type TrainOptions, train } from './train.ts'
export * from './verify.ts'
export { versions } from './versions.ts'
