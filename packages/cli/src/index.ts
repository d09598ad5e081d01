/** The library behind the command, for `import … from 'niceflow'`: train on your own arrays, export, load. */
export { type Tensor, tensor } from '@niceflow/core'
export type { Flow } from '@niceflow/runtime'
export { loadFlow } from '@niceflow/runtime-node'
export { exportBundle, presets, type Run, readRun, type TrainOptions, train } from '@niceflow/trainer'
