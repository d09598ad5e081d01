import { type Engine, type EngineModel, type OpenSession, onnxRuntimeEngine, residentEngine, tfjsEngine } from '@niceflow/engine'
import { DeviceUnavailableError } from '@niceflow/runtime'
import { type LoadedTensorflow, loadTensorflow, openResidentSession, openSession, TensorflowError } from '@niceflow/runtime-node'
import { type EngineName, type EngineOptions, type EngineSpec, modelOf } from './engine-calls.ts'

/**
 * Moments of dead units turn denormal after some hundred steps, and denormals are slow. A memory pattern would hold the arrays of a turn's steps
 * all at once: a third state beside the old and the new.
 */
const tunings = { training: { sessionConfig: { 'session.set_denormal_as_zero': '1' }, enableMemPattern: false }, evaluation: {} } as const

/** Opens the sessions of training and of what goes with it; only the first is profiled. */
export function trainingSessions({ profile, ...options }: EngineOptions & Pick<EngineSpec, 'profile'>): OpenSession {
  const profiles = { training: profile === undefined ? {} : { profile }, evaluation: {} }
  return (model, use) => openSession(model, { ...options, ...profiles[use], ...tunings[use] })
}

/** The engine of a stock ONNX Runtime that has a Loop: on the CPU or CUDA. */
export function loopEngine(model: EngineModel, options: EngineOptions & Pick<EngineSpec, 'profile'>): Promise<Engine> {
  return onnxRuntimeEngine(model, trainingSessions(options), { gpu: options.device === 'cuda' })
}

const makers: { readonly [Name in EngineName]: (spec: EngineSpec) => Promise<Engine> } = {
  onnxruntime: ({ engine: _, recipe, constants, profile, ...options }) => {
    const model = modelOf({ recipe, constants })
    const profiled = profile === undefined ? {} : { profile }
    if (options.device !== 'webgpu') return loopEngine(model, { ...options, ...profiled })
    return residentEngine(model, (bytes, resident) =>
      openResidentSession(bytes, resident, { ...options, ...(resident.length > 0 ? profiled : {}) }),
    )
  },
  tfjs: async ({ device, recipe, constants }) => {
    const { tf, gpu } = tensorflow(device)
    if (device === 'cuda' && !gpu) {
      throw new DeviceUnavailableError({
        device,
        reason: 'TensorFlow found no CUDA GPU that it can use',
        remedy: 'see whether nvidia-smi shows the GPU, and niceflow doctor what was set up; or use device cpu',
      })
    }
    await tf.ready()
    return tfjsEngine(tf, modelOf({ recipe, constants }), gpu ? 'cuda' : 'cpu')
  },
}

/** Makes an engine in this process. */
export function makeEngine(spec: EngineSpec): Promise<Engine> {
  return makers[spec.engine](spec)
}

/** TensorFlow in this process, which must have no other engine's CUDA in it. */
function tensorflow(device: EngineOptions['device']): LoadedTensorflow {
  try {
    return loadTensorflow()
  } catch (error) {
    if (!(error instanceof TensorflowError)) throw error
    const { message, remedy } = error
    throw new DeviceUnavailableError({
      device: device === 'cuda' ? 'cuda' : 'cpu',
      reason: message,
      cause: error,
      ...(remedy === undefined ? {} : { remedy }),
    })
  }
}
