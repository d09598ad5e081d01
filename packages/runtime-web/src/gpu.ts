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
  /** Runs `act`, and ends when the device is lost, which `act` may wait for in vain. */
  during<T>(name: string, act: () => Promise<T>): Promise<T>
}

export type Gpu = {
  /** What tells ONNX Runtime which device a session is to use: its own first one, unless that was lost. */
  provider(): Promise<{ readonly device?: GPUDevice }>
  /** Looks after the device of a session that was just opened. */
  watch(): Promise<void>
  current(): LiveDevice | undefined
}

const gpus = new WeakMap<typeof Ort, Gpu>()

export function gpuOf(ort: typeof Ort): Gpu {
  const gpu = gpus.get(ort) ?? makeGpu(ort)
  gpus.set(ort, gpu)
  return gpu
}

type Watched = LiveDevice & { readonly device: GPUDevice; lost: GPUDeviceLostInfo | undefined }

function makeGpu(ort: typeof Ort): Gpu {
  let own: GPUDevice | undefined
  let watched: Watched | undefined
  return {
    async provider() {
      if (watched?.lost) {
        own = await successor(watched.device)
        watched = watch(own)
      }
      return own ? { device: own } : {}
    },
    async watch() {
      watched ??= watch((await ort.env.webgpu.device) as GPUDevice)
    },
    current: () => watched,
  }
}

function watch(device: GPUDevice): Watched {
  const lost = device.lost.then((info) => {
    watched.lost = info
  })
  const watched: Watched = {
    device,
    lost: undefined,
    async during(name, act) {
      const fail = (cause?: unknown): never => {
        const why = watched.lost?.message || watched.lost?.reason || 'unknown'
        throw new SessionError(`${name}: the GPU device was lost: ${why}`, { cause, remedy: 'open the session again, or use device wasm' })
      }
      if (watched.lost) fail()
      try {
        return await Promise.race([act(), lost.then((): never => fail())])
      } catch (error) {
        // What fails on a device that goes is told before that it is gone.
        await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, 0))])
        return watched.lost ? fail(error) : Promise.reject(error)
      }
    },
  }
  return watched
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
