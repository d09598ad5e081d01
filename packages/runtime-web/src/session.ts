import { DeviceUnavailableError } from '@niceflow/runtime'
import { probeWebgpu } from './devices.ts'
import { type OpenOptions, openOn, type WebResidentSession, type WebSession } from './open.ts'

/**
 * Opens a graph on onnxruntime-web.
 * @param model the bytes of an ONNX file
 * @throws DeviceUnavailableError where `device` was asked for by name and cannot run the whole graph here; SessionError for a model that
 * does not load
 */
export async function openSession(model: Uint8Array, { device = 'auto', ...options }: OpenOptions = {}): Promise<WebSession> {
  if (device !== 'auto') return openOn(device, model, options)
  const toWasm = (reason: string): Promise<WebSession> => {
    options.onWarning?.(`${reason}: running on wasm`)
    return openOn('wasm', model, options)
  }
  const { usable, reason } = await probeWebgpu()
  if (!usable) return toWasm(`device webgpu cannot be used: ${reason}`)
  try {
    return await openOn('webgpu', model, options)
  } catch (error) {
    if (!(error instanceof DeviceUnavailableError)) throw error
    return toWasm(error.message)
  }
}

/**
 * Opens a graph on WebGPU, some of whose outputs stay in its memory.
 * @param resident their names
 * @throws as `openSession`
 */
export function openResidentSession(
  model: Uint8Array,
  resident: readonly string[],
  { device: _, ...options }: OpenOptions = {},
): Promise<WebResidentSession> {
  return openOn('webgpu', model, options, resident)
}
