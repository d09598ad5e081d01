import { DeviceUnavailableError } from '@niceflow/runtime'
import { engineEnvironment, readRecord } from '@niceflow/runtime-node'
import type { EngineOptions, EngineSpec } from './engine-calls.ts'

type Variables = Readonly<Record<string, string>>

/**
 * The variables that the process of an engine needs, beside those that this one has; none where the engine finds all that it needs here.
 * @throws DeviceUnavailableError where TensorFlow is not set up, or not for the device; without a process to find out
 */
export function engineVariables(spec: Omit<EngineSpec, 'recipe' | 'constants'>): Variables {
  const { engine, device, tf32 = false } = spec
  const env = engineEnvironment(engine, { tf32 })
  if (engine === 'tfjs') return { ...setUp(env, device), ...tensorflowVariables(spec) }
  return (device === 'cuda' && env) || {}
}

function setUp(env: Variables | undefined, device: EngineOptions['device']): Variables {
  const wanted = device === 'cuda' ? 'cuda' : 'cpu'
  if (!env) {
    const remedy = `run niceflow setup ${wanted === 'cuda' ? 'gpu' : 'tensorflow'} (in a checkout, npm run setup:${wanted === 'cuda' ? 'gpu' : 'tensorflow'})`
    throw new DeviceUnavailableError({ device: wanted, reason: 'TensorFlow is not set up', remedy })
  }
  if (wanted === 'cuda' && readRecord('tfjs')?.build === 'cpu') {
    throw new DeviceUnavailableError({ device: wanted, reason: 'TensorFlow is set up for the CPU', remedy: 'run niceflow setup gpu' })
  }
  return env
}

/** What TensorFlow is told by its environment alone. */
function tensorflowVariables({ device, deviceId, threads }: EngineOptions): Variables {
  const visible = device === 'cpu' ? -1 : deviceId
  return {
    ...(visible === undefined ? {} : { CUDA_VISIBLE_DEVICES: String(visible) }),
    ...(threads === undefined ? {} : { TF_NUM_INTRAOP_THREADS: String(threads), OMP_NUM_THREADS: String(threads) }),
  }
}
