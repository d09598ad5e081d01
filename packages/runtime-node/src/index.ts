export * from './bundle.ts'
export * from './devices.ts'
export {
  cacheFolder,
  type EnvironmentOptions,
  engineEnvironment,
  environmentOf,
  type InstallRecord,
  type NativeEngine,
  type NativePackage,
  nativePackage,
  nativePackages,
  readRecord,
  recordPath,
} from './libraries.ts'
export * from './load.ts'
export * from './session.ts'
export { type LoadedTensorflow, loadTensorflow, TensorflowError } from './tensorflow.ts'
