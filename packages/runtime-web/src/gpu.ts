import { DeviceUnavailableError, SessionError } from '@niceflow/runtime'
import type * as Ort from 'onnxruntime-web'

/** @throws DeviceUnavailableError where the browser has no WebGPU, or WebGPU no adapter, which onnxruntime-web would report after a large download */
export async function assertAdapter(): Promise<void> {
  if (!navigator.gpu) {
    throw new DeviceUnavailableError({
      device: 'webgpu',
      reason: 'this browser has no WebGPU, or the page is not served over HTTPS',
      remedy: 'use device wasm, or a newer browser',
    })
  }
  if ((await navigator.gpu.requestAdapter()) === null) throw noAdapter()
}

function noAdapter(): DeviceUnavailableError {
  return new DeviceUnavailableError({
    device: 'webgpu',
    reason: 'no WebGPU adapter was found',
    remedy: "use device wasm, or update the browser and the GPU's driver",
  })
}

/** A GPU device while it is there. */
export type LiveDevice = {
  /** What `act` gives; when the device is lost, of which `act` may never hear, the error that says so. */
  during<T>(name: string, act: () => Promise<T>): Promise<T>
}

export type Gpu = {
  /** What tells ONNX Runtime which device a session is to use: one of its own making, until that is lost. */
  provider(): Promise<{ readonly device?: GPUDevice }>
  /** The device of a session that was just opened. */
  current(): Promise<LiveDevice>
}

type Watched = LiveDevice & { readonly device: GPUDevice; readonly isLost: () => boolean }

/** The devices of a build of onnxruntime-web, one after another. */
export function makeGpu(ort: typeof Ort): Gpu {
  let watched: Watched | undefined
  let own: GPUDevice | undefined
  return {
    async provider() {
      if (watched?.isLost()) {
        own = await successor(watched.device)
        watched = watch(own)
      }
      return own ? { device: own } : {}
    },
    async current() {
      watched ??= watch((await ort.env.webgpu.device) as GPUDevice)
      return watched
    },
  }
}

/** How long, in milliseconds, a run that failed waits for the news that its device was lost. */
const grace = 50

function watch(device: GPUDevice): Watched {
  let lost: GPUDeviceLostInfo | undefined
  // A race with `device.lost` itself would leave a reaction there for every run there ever was.
  const waiting = new Set<() => void>()
  device.lost.then((info) => {
    lost = info
    for (const tell of waiting) tell()
  })
  const error = (name: string, cause?: unknown): SessionError =>
    new SessionError(`${name}: the GPU device was lost: ${lost?.message || lost?.reason}`, {
      cause,
      remedy: 'open the session again, or use device wasm',
    })
  return {
    device,
    isLost: () => lost !== undefined,
    async during(name, act) {
      if (lost) throw error(name)
      let tell = (): void => undefined
      const end = new Promise<never>((_, reject) => {
        tell = () => reject(error(name))
      })
      waiting.add(tell)
      try {
        return await Promise.race([act(), end])
      } catch (cause) {
        if (!lost) await new Promise((resolve) => setTimeout(resolve, grace))
        throw lost ? error(name, cause) : cause
      } finally {
        waiting.delete(tell)
      }
    },
  }
}

/** A new device with what the lost one had, as ONNX Runtime had asked for it. */
async function successor({ features, limits }: GPUDevice): Promise<GPUDevice> {
  const adapter = await navigator.gpu.requestAdapter()
  if (!adapter) throw noAdapter()
  const requiredLimits: Record<string, number> = {}
  for (const limit in limits) {
    const value = limits[limit as keyof GPUSupportedLimits]
    if (typeof value === 'number') requiredLimits[limit] = value
  }
  return adapter.requestDevice({ requiredFeatures: [...features] as GPUFeatureName[], requiredLimits })
}
