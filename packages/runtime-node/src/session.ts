import { existsSync } from 'node:fs'
import { InvalidValueError } from '@niceflow/core'
import { type Device, DeviceUnavailableError, type ResidentSession, type Session, SessionError } from '@niceflow/runtime'
import { type NativeSession, OrtSession, oneLine } from '@niceflow/runtime/onnxruntime'
import type * as Ort from 'onnxruntime-node'
import { assertInstalled, deviceError } from './availability.ts'
import { cudaVariables } from './libraries.ts'
import { onnxruntime } from './onnxruntime.ts'

/** The devices of onnxruntime-node. */
export type NodeDevice = Exclude<Device, 'wasm'>
export type NodeSession = Session & { readonly device: NodeDevice }
export type NodeResidentSession = ResidentSession & { readonly device: NodeDevice }
export const nodeDevices: readonly NodeDevice[] = ['cpu', 'cuda', 'webgpu']

type Tuning = Pick<
  Ort.InferenceSession.SessionOptions,
  | 'executionMode'
  | 'graphOptimizationLevel'
  | 'optimizedModelFilePath'
  | 'interOpNumThreads'
  | 'enableCpuMemArena'
  | 'enableMemPattern'
  | 'logSeverityLevel'
>

export type OpenOptions = Tuning & {
  /** `auto` is cuda where it works, else cpu; webgpu is taken only when asked for. @default 'auto' */
  readonly device?: NodeDevice | 'auto'
  /** Threads within an operator; ONNX Runtime's choice (one a physical core) when left out. */
  readonly threads?: number
  /** Which CUDA device, as the driver counts them. @default 0 */
  readonly deviceId?: number
  /** Lets CUDA round factors to ten bits. It holds for the whole process: the first session on CUDA decides. @default false */
  readonly tf32?: boolean
  /** The files of weights that `model` names, for a model that is given as bytes. */
  readonly externalData?: Readonly<Record<string, Uint8Array>>
  /** ONNX Runtime's session configuration entries, such as `session.set_denormal_as_zero: '1'`. */
  readonly sessionConfig?: Readonly<Record<string, string>>
  /** Writes a profile of every node to `<profile>_<time>.json` when the session is disposed. */
  readonly profile?: string
  /** What messages call a model that is given as bytes. @default 'model' */
  readonly name?: string
}

/**
 * Opens a graph on onnxruntime-node.
 * @param model the path of an ONNX file, or its bytes
 * @throws DeviceUnavailableError where `device` was asked for by name and cannot run the whole graph here; SessionError for a model that
 * does not load
 */
export async function openSession(model: string | Uint8Array, { device = 'auto', ...options }: OpenOptions = {}): Promise<NodeSession> {
  const name = typeof model === 'string' ? model : (options.name ?? 'model')
  if (device !== 'auto' && !nodeDevices.includes(device)) {
    throw new InvalidValueError({ what: 'device', expected: `auto, ${nodeDevices.join(', ')}`, got: device, usage: true })
  }
  if (typeof model === 'string' && !existsSync(model)) throw new SessionError(`${model}: no such file`, { remedy: 'check the path' })
  if (device !== 'auto') return openOn(device, name, model, options)
  try {
    return await openOn('cuda', name, model, options)
  } catch (error) {
    if (!(error instanceof DeviceUnavailableError)) throw error
    return openOn('cpu', name, model, options)
  }
}

/**
 * Opens a graph on WebGPU, some of whose outputs stay in its memory. (The CUDA provider has no such outputs in Node; its Loop needs none.)
 * @param resident their names
 * @throws as `openSession`
 */
export function openResidentSession(
  model: Uint8Array,
  resident: readonly string[],
  { device: _, ...options }: OpenOptions = {},
): Promise<NodeResidentSession> {
  return openOn('webgpu', options.name ?? 'model', model, options, resident)
}

async function openOn(
  device: NodeDevice,
  name: string,
  model: string | Uint8Array,
  options: OpenOptions,
  resident: readonly string[] = [],
): Promise<NodeResidentSession> {
  for (const what of ['threads', 'deviceId'] as const) {
    const value = options[what]
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      throw new InvalidValueError({ what, expected: 'an integer from 0', got: value })
    }
  }
  if (device === 'webgpu' && options.deviceId !== undefined) {
    const expected = 'none with webgpu, for which onnxruntime-node takes the adapter that the system prefers'
    throw new InvalidValueError({ what: 'deviceId', expected, got: options.deviceId })
  }
  const ort = await onnxruntime()
  await assertInstalled(device)
  // CUDA reads them when it starts; the environment of whoever runs the process comes first.
  if (device === 'cuda') for (const [name, value] of Object.entries(cudaVariables(options))) process.env[name] ??= value
  const native = nativeOptions(device, options, resident)
  try {
    // The two overloads take one form each.
    const session = await (typeof model === 'string'
      ? ort.InferenceSession.create(model, native)
      : ort.InferenceSession.create(model, native))
    return new OrtSession({ ort, session: options.profile === undefined ? session : profiled(session), name, device })
  } catch (cause) {
    throw (
      (device === 'cpu' ? undefined : deviceError(device, name, cause)) ??
      new SessionError(`${name}: ${oneLine(cause)}`, { cause, remedy: 'export the model again, with its weights beside it' })
    )
  }
}

/**
 * A session gets one execution provider. ONNX Runtime adds the CPU to any other and puts there what that provider has no kernel for;
 * with the fallback disabled it refuses to, so that a session which opens runs on its device. The refusal does not reach into the bodies
 * of Loop and If; where they matter, a profile tells the provider of every node.
 */
function nativeOptions(
  device: NodeDevice,
  { threads, deviceId, externalData, sessionConfig, profile, tf32: _, name: __, ...tuning }: OpenOptions,
  resident: readonly string[],
): Ort.InferenceSession.SessionOptions {
  const provider = device === 'cuda' && deviceId !== undefined ? { name: device, deviceId } : { name: device }
  return {
    // Every error is thrown: the log would say it twice.
    logSeverityLevel: 4,
    ...tuning,
    executionProviders: [provider],
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(externalData && { externalData: Object.entries(externalData).map(([path, data]) => ({ path, data })) }),
    ...(resident.length === 0 ? {} : { preferredOutputLocation: Object.fromEntries(resident.map((output) => [output, 'gpu-buffer'])) }),
    ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
    // Threads that spin on after a run would take the cores from the process's other sessions.
    extra: {
      'session.force_spinning_stop': '1',
      ...sessionConfig,
      ...(device === 'cpu' ? {} : { 'session.disable_cpu_ep_fallback': '1' }),
    },
  }
}

/** Ends the profile with the session. */
function profiled(session: Ort.InferenceSession): NativeSession {
  const { inputNames, outputNames, inputMetadata } = session
  return {
    inputNames,
    outputNames,
    inputMetadata,
    run: session.run.bind(session) as NativeSession['run'],
    async release() {
      session.endProfiling()
      await session.release()
    },
  }
}
