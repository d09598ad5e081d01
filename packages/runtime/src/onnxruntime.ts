import { arrayTypes, type DataType, InvalidValueError, type Tensor } from '@niceflow/core'
import type * as Ort from 'onnxruntime-common'
import { assertRun, type Device, type DeviceTensor, type Feeds, type Port, type ResidentSession, SessionError } from './session.ts'

/** What sessions of onnxruntime-node and onnxruntime-web have in common: an adapter opens one and wraps it. */
export type NativeSession = Pick<Ort.InferenceSession, 'inputNames' | 'outputNames' | 'inputMetadata' | 'run' | 'release'>

/** The part of either package that makes tensors. */
export type NativeTensors = Pick<typeof Ort, 'Tensor'>

export type OrtSessionParts<D extends Device> = {
  readonly ort: NativeTensors
  readonly session: NativeSession
  /** What messages call the model. */
  readonly name: string
  readonly device: D
}

/** A session of ONNX Runtime as this package describes sessions. */
export class OrtSession<D extends Device> implements ResidentSession {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  readonly device: D
  readonly #ort: NativeTensors
  readonly #session: NativeSession
  readonly #name: string
  readonly #inputs: readonly Port[]
  #disposed = false

  constructor({ ort, session, name, device }: OrtSessionParts<D>) {
    this.inputNames = session.inputNames
    this.outputNames = session.outputNames
    this.device = device
    this.#ort = ort
    this.#session = session
    this.#name = name
    this.#inputs = session.inputMetadata.map((port) =>
      port.isTensor ? { name: port.name, dtype: port.type, dims: port.shape } : { name: port.name, dtype: 'a sequence or map', dims: [] },
    )
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
      throw cause instanceof SessionError ? cause : new SessionError(`${this.#name}: ${oneLine(cause)}`, { cause })
    }
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    await this.#session.release()
  }
}

/** The native tensors behind those of a device. */
const native = new WeakMap<DeviceTensor, Ort.Tensor>()

/** A native tensor of a device's memory as sessions hand it out. */
function onDevice(tensor: Ort.Tensor): DeviceTensor {
  const handle = { dtype: tensor.type as DataType, dims: tensor.dims, dispose: () => tensor.dispose() }
  native.set(handle, tensor)
  return handle
}

/** Wraps a tensor without copying it. */
function toOrt({ Tensor: OrtTensor }: NativeTensors, name: string, feed: Tensor | DeviceTensor): Ort.Tensor {
  if (!('data' in feed)) return native.get(feed)!
  const { dtype, dims, data } = feed
  // Pages that are not cross-origin isolated do not even have the name.
  if (typeof SharedArrayBuffer !== 'undefined' && data.buffer instanceof SharedArrayBuffer) {
    throw new InvalidValueError({ what: `input ${name}`, expected: 'memory of its own', got: 'a SharedArrayBuffer', remedy: 'copy it' })
  }
  return new OrtTensor(dtype as 'float32', data as Float32Array, dims)
}

/** Reads a tensor without copying it. Newer engines hold float16 in arrays of that type; ours are the bits. */
function fromOrt(name: string, { type, dims, data }: Ort.Tensor): Tensor {
  if (!(type in arrayTypes)) throw new SessionError(`output ${name}: elements of type ${type} are not supported`)
  const bits = data as Tensor['data']
  return {
    dtype: type as DataType,
    dims,
    data: type === 'float16' ? new Uint16Array(bits.buffer, bits.byteOffset, bits.length) : bits,
  } as Tensor
}

/** A native error's message in one line. */
export function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').trim()
}
