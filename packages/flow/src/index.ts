export * from './config.ts'
export { dropoutDraws } from './dropout.ts'
export { decoderGraph, decodingGraph, encoderGraph, evaluationGraph, graphMetadata, ports, preprocessingGraph } from './graphs.ts'
export {
  type Group,
  groupsOf,
  heldArrays,
  heldParameters,
  joinArrays,
  type StateArray,
  slotName,
  splitArrays,
  stateArrays,
} from './groups.ts'
export * from './inpainting.ts'
export { type CouplingInit, couplingInits, networkStarts } from './mlp.ts'
export * from './nice.ts'
export * from './optimizer.ts'
export * from './paper.ts'
export * from './parameters.ts'
export * from './partition.ts'
export { type Prior, priors } from './prior.ts'
export { logScale, type ScaleInit, scaleInitial, scaleInits } from './scaling.ts'
export * from './training.ts'
