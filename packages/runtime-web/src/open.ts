import { InvalidValueError } from '@niceflow/core'
import { DeviceUnavailableError, type ResidentSession, type Session, SessionError } from '@niceflow/runtime'
import { type NativeSession, OrtSession, oneLine } from '@niceflow/runtime/onnxruntime'
import type * as Ort from 'onnxruntime-web'
import { type Build, loadBuild, type OnWarning, type WebDevice, webDevices } from './builds.ts'
import { assertAdapter, type LiveDevice } from './gpu.ts'

export type WebSession = Session & { readonly device: WebDevice }
export type WebResidentSession = ResidentSession & { readonly device: WebDevice }

export type OpenOptions = {
  /** `auto` is webgpu where a probe gives right numbers there, else wasm. @default 'auto' */
  readonly device?: WebDevice | 'auto'
  /**
   * Threads of WebAssembly: those of the first session hold for the whole page, and it is one where the page is not cross-origin isolated. As
   * many as there are cores, up to four, when left out.
   */
  readonly threads?: number
  /** The files of weights that `model` names. */
  readonly externalData?: Readonly<Record<string, Uint8Array>>
  /** What messages call the model. @default 'model' */
  readonly name?: string
  /** Hears of fallbacks that were taken. */
  readonly onWarning?: OnWarning
}

/** @throws InvalidValueError for another device; DeviceUnavailableError for webgpu where there is none */
export async function assertDevice(device: WebDevice | 'auto'): Promise<void> {
  if (device !== 'auto' && !webDevices.includes(device)) {
    throw new InvalidValueError({ what: 'device', expected: `auto, ${webDevices.join(', ')}`, got: device, usage: true })
  }
  if (device === 'webgpu') await assertAdapter()
}

/** Opens a graph on a device; see `openSession`. */
export async function openOn(
  device: WebDevice,
  model: Uint8Array,
  { threads, externalData, name = 'model', onWarning = () => undefined }: Omit<OpenOptions, 'device'>,
  resident: readonly string[] = [],
): Promise<WebResidentSession> {
  await assertDevice(device)
  const build = await loadBuild(device, threads, onWarning).catch((cause: unknown) => {
    throw notLoaded(device, cause)
  })
  const { ort, gpu, enqueue } = build
  return enqueue(async () => {
    const options: Ort.InferenceSession.SessionOptions = {
      logSeverityLevel: 4,
      executionProviders: [{ name: device, ...(await gpu?.provider()) }],
      ...(externalData && { externalData: Object.entries(externalData).map(([path, data]) => ({ path, data })) }),
      ...(resident.length === 0 ? {} : { preferredOutputLocation: Object.fromEntries(resident.map((output) => [output, 'gpu-buffer'])) }),
      // ONNX Runtime would run on the CPU whatever WebGPU has no kernel for; a session that opens runs on its device.
      ...(gpu && { extra: { 'session.disable_cpu_ep_fallback': '1' } }),
    }
    const session = await ort.InferenceSession.create(model, options).catch((cause: unknown) => {
      throw openingError(device, name, cause)
    })
    return new OrtSession({ ort, session: oneAtATime(session, name, build, await gpu?.current()), name, device })
  })
}

/** What a session does, in the queue of its build; on a GPU no longer than that is there. */
function oneAtATime(session: Ort.InferenceSession, name: string, { enqueue }: Build, device: LiveDevice | undefined): NativeSession {
  const { inputNames, outputNames, inputMetadata } = session
  const run = (...words: Parameters<Ort.InferenceSession['run']>): ReturnType<Ort.InferenceSession['run']> =>
    enqueue(() => (device ? device.during(name, () => session.run(...words)) : session.run(...words)))
  return { inputNames, outputNames, inputMetadata, run: run as NativeSession['run'], release: () => enqueue(() => session.release()) }
}

function notLoaded(device: WebDevice, cause: unknown): unknown {
  if (!(cause instanceof TypeError)) return cause
  return new SessionError(`onnxruntime-web for ${device} does not load: ${oneLine(cause)}`, {
    cause,
    remedy: 'try again, or reload the page',
  })
}

/** What ONNX Runtime says when a session cannot be opened, and what it means. */
function openingError(device: WebDevice, model: string, cause: unknown): Error {
  const message = oneLine(cause)
  if (/fallback to CPU EP has been explicitly disabled/.test(message)) {
    return new DeviceUnavailableError({ device, reason: `${model} has nodes without a kernel there`, remedy: 'use device wasm', cause })
  }
  if (/no available backend found/.test(message)) {
    return new SessionError(`onnxruntime-web for ${device} does not start: ${message}`, {
      cause,
      remedy: 'serve its .wasm file where it is looked for, or say where it lies by configure({ wasmPaths }), and reload the page',
    })
  }
  return new SessionError(`${model}: ${message}`, { cause, remedy: 'export the model again, with its weights' })
}
