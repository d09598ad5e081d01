import { existsSync } from 'node:fs'
import { InvalidValueError, type Tensor } from '@niceflow/core'
import {
  assertRun,
  type Device,
  type DeviceTensor,
  DeviceUnavailableError,
  type Feeds,
  type Port,
  type ResidentSession,
  type Session,
  SessionError,
} from '@niceflow/runtime'
import type * as Ort from 'onnxruntime-node'
import { assertInstalled, deviceError } from './availability.ts'
import { cudaVariables } from './libraries.ts'
import { fromOrt, onDevice, oneLine, onnxruntime, toOrt } from './onnxruntime.ts'

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
    return new OrtSession(ort, session, name, device, options.profile !== undefined)
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

class OrtSession implements NodeResidentSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  readonly device: NodeDevice
  readonly #ort: typeof Ort
  readonly #session: Ort.InferenceSession
  readonly #name: string
  readonly #inputs: readonly Port[]
  readonly #profiled: boolean
  #disposed = false

  constructor(ort: typeof Ort, session: Ort.InferenceSession, name: string, device: NodeDevice, profiled: boolean) {
    this.inputNames = session.inputNames
    this.outputNames = session.outputNames
    this.device = device
    this.#ort = ort
    this.#session = session
    this.#name = name
    this.#inputs = session.inputMetadata.map((port) =>
      port.isTensor ? { name: port.name, dtype: port.type, dims: port.shape } : { name: port.name, dtype: 'a sequence or map', dims: [] },
    )
    this.#profiled = profiled
  }

  async run(feeds: Feeds, outputs: readonly string[] = this.outputNames): Promise<Record<string, Tensor>> {
    const results = await this.#run(feeds, outputs)
    return Object.fromEntries(outputs.map((name) => [name, fromOrt(name, results[name]!)]))
  }

  async runResident(feeds: Readonly<Record<string, Tensor | DeviceTensor>>): ReturnType<ResidentSession['runResident']> {
    const results = Object.entries(await this.#run(feeds, this.outputNames))
    const stays = ([, { location }]: readonly [string, Ort.Tensor]): boolean => location !== 'cpu'
    return {
      resident: Object.fromEntries(results.filter(stays).map(([name, tensor]) => [name, onDevice(tensor)])),
      values: Object.fromEntries(results.filter((result) => !stays(result)).map(([name, tensor]) => [name, fromOrt(name, tensor)])),
    }
  }

  async #run(
    feeds: Readonly<Record<string, Tensor | DeviceTensor>>,
    outputs: readonly string[],
  ): Promise<Ort.InferenceSession.OnnxValueMapType> {
    if (this.#disposed) throw new SessionError(`${this.#name}: the session is disposed`)
    assertRun(this.#name, this.#inputs, this.outputNames, feeds, outputs)
    const given: Record<string, Ort.Tensor> = {}
    for (const name of this.inputNames) given[name] = toOrt(this.#ort, name, feeds[name]!)
    try {
      return await this.#session.run(given, outputs)
    } catch (cause) {
      throw new SessionError(`${this.#name}: ${oneLine(cause)}`, { cause })
    }
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    if (this.#profiled) this.#session.endProfiling()
    await this.#session.release()
  }
}
