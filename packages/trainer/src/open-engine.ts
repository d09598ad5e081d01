import { InvalidValueError } from '@niceflow/core'
import type { Engine } from '@niceflow/engine'
import { DeviceUnavailableError } from '@niceflow/runtime'
import { nodeDevices } from '@niceflow/runtime-node'
import { type EngineName, type EngineOptions, type EngineSpec, engineDevices, engineNames } from './engine-calls.ts'
import { engineVariables } from './engine-environment.ts'
import { engineProcess } from './engine-process.ts'
import { makeEngine } from './make-engine.ts'

type Candidate = Pick<EngineSpec, 'engine' | 'device'>
type Device = NonNullable<EngineOptions['device']>

/** What there is to try for an engine and a device that were asked for, the best first. */
const candidates: { readonly [E in EngineName | 'auto']: { readonly [D in Device]: readonly Candidate[] } } = {
  onnxruntime: {
    auto: [on('onnxruntime', 'cuda'), on('onnxruntime', 'cpu')],
    cuda: [on('onnxruntime', 'cuda')],
    webgpu: [on('onnxruntime', 'webgpu')],
    cpu: [on('onnxruntime', 'cpu')],
  },
  tfjs: {
    auto: [on('tfjs', 'cuda'), on('tfjs', 'cpu')],
    cuda: [on('tfjs', 'cuda')],
    webgpu: [],
    cpu: [on('tfjs', 'cpu')],
  },
  auto: {
    auto: [on('onnxruntime', 'cuda'), on('tfjs', 'cuda'), on('onnxruntime', 'cpu')],
    cuda: [on('onnxruntime', 'cuda'), on('tfjs', 'cuda')],
    webgpu: [on('onnxruntime', 'webgpu')],
    cpu: [on('onnxruntime', 'cpu')],
  },
}

function on(engine: EngineName, device: Device): Candidate {
  return { engine, device }
}

export type Wanted = Omit<EngineSpec, 'engine' | 'device'> & { readonly engine: EngineName | 'auto'; readonly device: Device }
export type OpenedEngine = {
  readonly engine: Engine
  /** What was tried before it, and why that cannot be used; undefined where nothing was. */
  readonly why: string | undefined
}

/**
 * Makes the engine that is asked for, or the first of those that `auto` stands for which can be used here: onnxruntime on
 * CUDA, else tfjs there, else onnxruntime on the CPU.
 * @throws DeviceUnavailableError where none can be used: that of the best engine for a device asked for by name, else of the last one tried
 */
export async function openEngine(wanted: Wanted): Promise<OpenedEngine> {
  assertKnown('--engine', ['auto', ...engineNames], wanted.engine)
  const devices = wanted.engine === 'auto' ? nodeDevices : engineDevices[wanted.engine]
  assertKnown(`--device of engine ${wanted.engine}`, ['auto', ...devices], wanted.device)
  const faults: { readonly tried: string; readonly error: DeviceUnavailableError }[] = []
  for (const candidate of candidates[wanted.engine][wanted.device]) {
    try {
      const engine = await makeSpecified({ ...wanted, ...candidate })
      const why = faults.map(({ tried, error }) => `${tried}: ${error.reason}`).join('; ')
      return { engine, why: why || undefined }
    } catch (error) {
      if (!(error instanceof DeviceUnavailableError)) throw error
      faults.push({ tried: `${candidate.engine} on ${candidate.device}`, error })
    }
  }
  throw (wanted.device === 'auto' ? faults.at(-1)! : faults[0]!).error
}

/** Makes an engine: in this process where its libraries find all they need here, else in one of its own. */
export async function makeSpecified(spec: EngineSpec): Promise<Engine> {
  const apart = spec.engine === 'tfjs' || Object.keys(engineVariables(spec)).length > 0
  return apart ? engineProcess(spec) : makeEngine(spec)
}

function assertKnown(what: string, known: readonly string[], got: string): void {
  if (!known.includes(got)) throw new InvalidValueError({ what, expected: known.join(', '), got, usage: true })
}
