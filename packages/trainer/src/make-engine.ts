import { type Engine, type OpenSession, onnxRuntimeEngine, residentEngine } from '@niceflow/engine'
import { openResidentSession, openSession } from '@niceflow/runtime-node'
import { type EngineName, type EngineOptions, type EngineSpec, modelOf } from './engine-calls.ts'

/** Moments of dead units turn denormal after some hundred steps, and denormals are slow. */
const sessionConfigs = { training: { 'session.set_denormal_as_zero': '1' }, evaluation: {} } as const

/** Opens the sessions of training and of what goes with it. */
export function trainingSessions(options: EngineOptions): OpenSession {
  return (model, use) => openSession(model, { ...options, sessionConfig: sessionConfigs[use] })
}

const makers: { readonly [Name in EngineName]: (spec: EngineSpec) => Promise<Engine> } = {
  onnxruntime: ({ engine: _, recipe, constants, ...options }) => {
    const model = modelOf({ recipe, constants })
    if (options.device !== 'webgpu') return onnxRuntimeEngine(model, trainingSessions(options))
    return residentEngine(model, (bytes, resident) => openResidentSession(bytes, resident, options))
  },
  tfjs: async () => {
    throw new Error('not yet')
  },
}

/** Makes an engine in this process. */
export function makeEngine(spec: EngineSpec): Promise<Engine> {
  return makers[spec.engine](spec)
}
