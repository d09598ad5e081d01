export * from './bundle.ts'
export {
  type DequantizationKey,
  type Examples,
  exampleRows,
  floatRows,
  type PriorDraws,
  priorRows,
  type RowSource,
} from './examples.ts'
export * from './flow.ts'
export type { SessionSource } from './graph-session.ts'
export * from './importance.ts'
export { type Inpainting, InpaintingDivergedError, type InpaintOptions, type InpaintProgress } from './inpainting.ts'
export { type MethodName as InpaintMethod, methodNames as inpaintMethods } from './inpainting-methods.ts'
export { type InterpolationKind, interpolationKinds } from './interpolation.ts'
export * from './masks.ts'
export * from './probe.ts'
export * from './progress.ts'
export * from './session.ts'
export * from './shares.ts'
export { type Sweep, type SweepOptions, sweepProbabilities } from './sweep.ts'
export * from './variant.ts'
