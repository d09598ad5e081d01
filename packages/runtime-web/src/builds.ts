import { InvalidValueError } from '@niceflow/core'
import type { Device } from '@niceflow/runtime'
import type * as Ort from 'onnxruntime-web'
import { type Gpu, makeGpu } from './gpu.ts'

/** The devices of onnxruntime-web. */
export type WebDevice = Extract<Device, 'wasm' | 'webgpu'>
export const webDevices: readonly WebDevice[] = ['wasm', 'webgpu']

/** Hears, in one line each, of what was wanted and could not be had, and of what was done instead. */
export type OnWarning = (warning: string) => void

/**
 * Where onnxruntime-web's binaries lie: the address of a folder with all of its `.wasm` and `.mjs` files, or, for each device, of its `.wasm` file
 * or of both: `ort-wasm-simd-threaded.wasm` and `.mjs` for wasm, `ort-wasm-simd-threaded.asyncify.wasm` and `.mjs` for webgpu.
 *
 * Threads start as workers that load the `.mjs` file. Without its address they load the script that onnxruntime-web was bundled into, and all
 * that this imports, which may be the page's own code: it waits then for threads that never come.
 */
export type WasmPaths = string | { readonly [D in WebDevice]?: WasmFiles }
export type WasmFiles = string | URL | { readonly wasm: string | URL; readonly mjs: string | URL }

let wasmPaths: WasmPaths | undefined

/**
 * Says where onnxruntime-web's binaries lie, where a bundler does not find them by itself. It holds for sessions opened later, as long as none
 * was opened on the device.
 */
export function configure(options: { readonly wasmPaths: WasmPaths }): void {
  wasmPaths = options.wasmPaths
}

/** A build of onnxruntime-web: the one for WebGPU is twice as large, and slow where it computes on the CPU. */
export type Build = {
  readonly ort: typeof Ort
  readonly threads: number
  /** Of the build for WebGPU. */
  readonly gpu: Gpu | undefined
  /**
   * Does one thing after another. The native code keeps a stack, mounted weights and the state of a suspended call for the whole module, so
   * that two operations at once would spoil each other, whichever sessions they are of.
   */
  readonly enqueue: <T>(act: () => Promise<T>) => Promise<T>
}

const imports: { readonly [D in WebDevice]: () => Promise<typeof Ort> } = {
  wasm: () => import('onnxruntime-web/wasm'),
  webgpu: () => import('onnxruntime-web/webgpu'),
}

const loaded = new Map<WebDevice, Promise<Build>>()

/**
 * The build that runs on a device, loaded when it is first needed. Its number of threads is that of the first who asks.
 * @param threads on the CPU; as many as there are cores, up to four, when left out
 */
export async function loadBuild(device: WebDevice, threads: number | undefined, onWarning: OnWarning): Promise<Build> {
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads > 0)) {
    throw new InvalidValueError({ what: 'threads', expected: 'an integer from 1', got: threads })
  }
  const possible = device === 'webgpu' ? 1 : possibleThreads(threads, onWarning)
  const build = await (loaded.get(device) ?? load(device, possible))
  if (threads !== undefined && device === 'wasm' && possible !== build.threads) {
    onWarning(`threads: ${build.threads} instead of ${possible}: the first session of a page decides`)
  }
  return build
}

function load(device: WebDevice, threads: number): Promise<Build> {
  const build = imports[device]().then((ort): Build => {
    const { env } = ort
    env.wasm.numThreads = threads
    // Every error is thrown: the log would say it twice.
    env.logLevel = 'fatal'
    const files = typeof wasmPaths === 'object' ? wasmPaths[device] : undefined
    if (typeof wasmPaths === 'string') env.wasm.wasmPaths = wasmPaths
    else if (files !== undefined) env.wasm.wasmPaths = typeof files === 'object' && 'mjs' in files ? files : { wasm: files }
    return { ort, threads, gpu: device === 'webgpu' ? makeGpu(ort) : undefined, enqueue: queue() }
  })
  loaded.set(device, build)
  build.catch(() => loaded.delete(device))
  return build
}

function possibleThreads(wanted: number | undefined, onWarning: OnWarning): number {
  if (globalThis.crossOriginIsolated) return wanted ?? Math.min(4, navigator.hardwareConcurrency)
  if (wanted !== 1) onWarning('one thread: the page is not cross-origin isolated (serve it with the headers COOP and COEP to use more)')
  return 1
}

function queue(): Build['enqueue'] {
  let last: Promise<unknown> = Promise.resolve()
  return (act) => {
    const result = last.then(act)
    last = result.catch(() => undefined)
    return result
  }
}
