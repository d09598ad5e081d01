import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type Device, DeviceUnavailableError } from '@niceflow/runtime'
import { oneLine } from '@niceflow/runtime/onnxruntime'
import { onnxruntime } from './onnxruntime.ts'

type Obstacle = { readonly reason: string; readonly remedy: string }

const platform = `${process.platform}-${process.arch}`

/** Where onnxruntime-node keeps its native libraries, and looks for those of CUDA. */
function librariesFolder(): string {
  const main = createRequire(import.meta.url).resolve('onnxruntime-node')
  return join(dirname(main), '../bin/napi-v6', process.platform, process.arch)
}

/** What gets the CUDA provider and the libraries that it needs. */
const setup = 'run niceflow setup gpu (in a checkout, npm run setup:gpu)'

const nvidiaDriver = 'apt install nvidia-driver (on Ubuntu: ubuntu-drivers install); a container needs the GPU handed in (--gpus all)'

const cudaProvider = 'libonnxruntime_providers_cuda.so'

/** @throws DeviceUnavailableError where the installed onnxruntime-node cannot have the device, which it would else report obscurely */
export async function assertInstalled(device: Device): Promise<void> {
  const { listSupportedBackends } = await onnxruntime()
  if (!listSupportedBackends().some(({ name }) => name === device)) {
    throw new DeviceUnavailableError({
      device,
      reason: `onnxruntime-node for ${platform} is built without it`,
      remedy: 'use device auto or cpu',
    })
  }
  const folder = librariesFolder()
  if (device === 'cuda' && process.platform === 'linux' && !existsSync(join(folder, cudaProvider))) {
    throw new DeviceUnavailableError({
      device,
      reason: 'the CUDA libraries of onnxruntime-node are not installed',
      remedy: setup,
    })
  }
}

/** What gets Vulkan for the GPUs of AMD and Intel, and in software; NVIDIA's driver has its own, which needs the loader and GLVND's libraries. */
const vulkan =
  'apt install libvulkan1 mesa-vulkan-drivers (NVIDIA: libvulkan1 libgl1 libegl1), or dnf install vulkan-loader mesa-vulkan-drivers (NVIDIA: vulkan-loader libglvnd-glx libglvnd-egl)'

/** What ONNX Runtime says when a session cannot be had on a device, and what it means. Anything else is the model's fault. */
const meanings: readonly { readonly pattern: RegExp; readonly explain: (message: string, model: string, device: Device) => Obstacle }[] = [
  {
    pattern: /fallback to CPU EP has been explicitly disabled/,
    explain: (_, model, device) => ({
      reason: `${model} has nodes without a kernel there`,
      // Early inpainters count their steps in a way that CUDA leaves to the CPU.
      remedy: device === 'cuda' ? 'write the bundle anew (niceflow export BUNDLE --out NEW), or use device cpu' : 'use device cpu',
    }),
  },
  {
    pattern: /Failed to get a WebGPU adapter/,
    explain: () => ({
      reason: 'no WebGPU adapter was found',
      remedy: `${process.platform === 'linux' ? vulkan : "update the GPU's driver"}, or use device cpu`,
    }),
  },
  { pattern: /Failed to load shared library/, explain: missingLibrary },
  {
    pattern: /CUDA (failure|error)|CUDNN|CUBLAS/i,
    explain: (message) => ({ reason: message, remedy: 'see whether nvidia-smi shows the GPU and a driver for CUDA 13' }),
  },
]

/** The error of a device that could not open a session of `model`, or none where the device is not to blame. */
export function deviceError(device: Device, model: string, cause: unknown): DeviceUnavailableError | undefined {
  const message = oneLine(cause)
  const meaning = meanings.find(({ pattern }) => pattern.test(message))
  return meaning && new DeviceUnavailableError({ device, cause, ...meaning.explain(message, model, device) })
}

/** ONNX Runtime only logs which library is missing; the loader tells it to whoever asks. */
function missingLibrary(message: string): Obstacle {
  let missing: string | undefined
  try {
    process.dlopen({ exports: {} }, join(librariesFolder(), cudaProvider))
  } catch (error) {
    missing = /^(\S+): cannot open shared object file/.exec(oneLine(error))?.[1]
  }
  if (missing === 'libcuda.so.1') {
    return { reason: 'there is no NVIDIA driver (libcuda.so.1)', remedy: nvidiaDriver }
  }
  return {
    reason: missing === undefined ? message : `${missing} was not found`,
    remedy: `install CUDA 13 with cuDNN 9 where the loader finds them, or ${setup}`,
  }
}
