import { type Tensor, tensor } from '@niceflow/core'
import { type FitOptions, residentEngine, startFit } from '@niceflow/engine'
import { configure, openResidentSession, openSession } from '@niceflow/runtime-web'
import mjs from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url'
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import { watchMemory } from './memory.ts'

const memory = watchMemory()
configure({ wasmPaths: { wasm: { mjs, wasm } } })

/** What the tests of training find in a page. */
const training = { fitted }
export type Training = typeof training

type Job = Pick<FitOptions, 'config'> & {
  readonly url: string
  readonly dim: number
  readonly device: 'wasm' | 'webgpu'
  readonly threads?: number
}

/** What a fit came to. */
type Outcome = {
  readonly device: string
  readonly steps: number
  /** The mean of each epoch, nats. */
  readonly logLikelihood: readonly number[]
  /** Of each example in the end. */
  readonly scores: readonly number[]
  /** Bytes of WebAssembly's memory and of the GPU's buffers after each run of the graph. */
  readonly bytes: readonly number[]
}

/** Fits the small preset to the float32 rows that lie at an address. */
async function fitted({ url, dim, device, threads = 2, config = {} }: Job): Promise<Outcome> {
  const values = new Float32Array(await (await fetch(url)).arrayBuffer())
  const data: Tensor<'float32'> = tensor('float32', [values.length / dim, dim], values)
  const fit = await startFit({
    data,
    config,
    open: (model) => openSession(model, { device, threads }),
    ...(device === 'webgpu' && { makeEngine: (model) => residentEngine(model, openResidentSession) }),
  })
  const epochs: number[] = []
  const bytes: number[] = []
  let steps = 0
  for await (const { epoch, step, logLikelihood } of fit.progress) {
    epochs[epoch - 1] = logLikelihood
    bytes.push(memory())
    steps = step
  }
  const scores = [...(await fit.engine.logLikelihood(data))]
  const { device: used } = fit.engine
  await fit.dispose()
  return { device: used, steps, logLikelihood: epochs, scores, bytes }
}

Object.assign(globalThis, { training })
