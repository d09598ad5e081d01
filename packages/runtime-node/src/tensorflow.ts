import { createRequire } from 'node:module'
import { NiceflowError } from '@niceflow/core'
import { oneLine } from '@niceflow/runtime/onnxruntime'
import type * as Tensorflow from '@tensorflow/tfjs-node-gpu'
import { nativePackage, nativePackages } from './libraries.ts'

const name = nativePackages.tfjs

export type LoadedTensorflow = {
  readonly tf: typeof Tensorflow
  /** libtensorflow's. */
  readonly version: string
  /** Whether it computes on a CUDA GPU; else it does on the CPU. */
  readonly gpu: boolean
}

/** TensorFlow is not there or does not load. */
export class TensorflowError extends NiceflowError {
  override readonly name = 'TensorflowError'
}

/**
 * Loads `@tensorflow/tfjs-node-gpu` with its libtensorflow, into a process that must not have loaded CUDA for onnxruntime-node.
 * @throws TensorflowError naming what is missing and what gets it
 */
export function loadTensorflow(): LoadedTensorflow {
  const found = nativePackage('tfjs')
  if (!found) {
    throw new TensorflowError(`${name} is not installed`, { remedy: `npm install ${name}@4.22.0, then ${setup}` })
  }
  mendUtil()
  let tf: typeof Tensorflow
  try {
    tf = createRequire(import.meta.url)(name) as typeof Tensorflow
  } catch (cause) {
    throw new TensorflowError(reasonOf(oneLine(cause)), { cause, remedy: setup })
  }
  const { binding, isUsingGpuDevice } = tf.backend() as unknown as { binding: { TF_Version: string }; isUsingGpuDevice: boolean }
  return { tf, version: binding.TF_Version, gpu: isUsingGpuDevice }
}

const setup =
  'run niceflow setup tensorflow, or with an NVIDIA GPU niceflow setup gpu (in a checkout, npm run setup:tensorflow or setup:gpu)'

/** The package's own message is for those who build it. */
export function reasonOf(message: string): string {
  if (message.includes('native addon module')) return `${name} has no native addon: its install script did not run`
  const [, library] = /(\S+): cannot open shared object file/.exec(message) ?? []
  return `${name} does not load: ${library === undefined ? message : `${library} was not found`}`
}

/**
 * The package calls functions of `util` that Node 23 dropped or warns of.
 * @param util the module's own object, which the package calls through
 */
export function mendUtil(util: Record<string, unknown> = createRequire(import.meta.url)('node:util') as Record<string, unknown>): void {
  util.isNullOrUndefined = (value: unknown) => value === null || value === undefined
  util.isArray = Array.isArray
}
