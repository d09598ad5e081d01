import { DeviceUnavailableError, type ResidentSession, type Session, SessionError } from '@niceflow/runtime'
import { type NativeSession, OrtSession, oneLine } from '@niceflow/runtime/onnxruntime'
import type * as Ort from 'onnxruntime-web'
import { type Build, loadBuild, type OnWarning, type WebDevice } from './builds.ts'
import { assertAdapter, type Gpu, gpuOf } from './gpu.ts'

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

/** Opens a graph on a device; see `openSession`. */
export async function openOn(
  device: WebDevice,
  model: Uint8Array,
  { threads, externalData, name = 'model', onWarning = () => undefined }: Omit<OpenOptions, 'device'>,
  resident: readonly string[] = [],
): Promise<WebResidentSession> {
  if (device === 'webgpu') await assertAdapter()
  const build = await loadBuild(device, threads, onWarning).catch((cause: unknown) => {
    throw notLoaded(device, cause)
  })
  const { ort, enqueue } = build
  return enqueue(async () => {
    const gpu = device === 'webgpu' ? gpuOf(ort) : undefined
    const provider = gpu ? { name: device, ...(await gpu.provider()) } : { name: device }
    const options: Ort.InferenceSession.SessionOptions = {
      logSeverityLevel: 4,
      executionProviders: [provider],
      ...(externalData && { externalData: Object.entries(externalData).map(([path, data]) => ({ path, data })) }),
      ...(resident.length === 0 ? {} : { preferredOutputLocation: Object.fromEntries(resident.map((output) => [output, 'gpu-buffer'])) }),
      // ONNX Runtime would run on the CPU whatever WebGPU has no kernel for; a session that opens runs on its device.
      ...(gpu && { extra: { 'session.disable_cpu_ep_fallback': '1' } }),
    }
    try {
      const session = await ort.InferenceSession.create(model, options)
      await gpu?.watch()
      return new OrtSession({ ort, session: oneAtATime(session, name, build, gpu), name, device })
    } catch (cause) {
      throw openingError(device, name, cause)
    }
  })
}

/** What a session does, in the queue of its build; on a GPU no longer than that is there. */
function oneAtATime(session: Ort.InferenceSession, name: string, { enqueue }: Build, gpu: Gpu | undefined): NativeSession {
  const { inputNames, outputNames, inputMetadata } = session
  const device = gpu?.current()
  const run = (...words: Parameters<Ort.InferenceSession['run']>): ReturnType<Ort.InferenceSession['run']> =>
    enqueue(() => (device ? device.during(name, () => session.run(...words)) : session.run(...words)))
  return { inputNames, outputNames, inputMetadata, run: run as NativeSession['run'], release: () => enqueue(() => session.release()) }
}

function notLoaded(device: WebDevice, cause: unknown): unknown {
  if (!(cause instanceof TypeError)) return cause
  return new SessionError(`onnxruntime-web for ${device} does not load: ${oneLine(cause)}`, { cause, remedy: 'reload the page' })
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
