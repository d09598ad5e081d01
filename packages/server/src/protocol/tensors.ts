import { InvalidValueError, type ModelFacts, sizeOf } from '@niceflow/core'
import { type GraphName, graphPorts, type OutputName } from '../calls.ts'
import { flatNumbers } from '../numbers.ts'
import type { Received, WireRequest, WireTensor } from './request.ts'

/** The rows of a request's input. */
export type Rows = { readonly count: number; readonly data: Float32Array | Uint8Array }

const elementBytes = { FP32: 4, UINT8: 1 } as const
type Datatype = keyof typeof elementBytes

/**
 * The one input of a graph, [n, dim] or [n, …] of as many numbers.
 * @throws InvalidValueError for inputs that are not the graph's, or numbers that are not of their type
 */
export function inputOf({ request: { inputs }, binary }: Received, graph: GraphName, { dim, pixels }: ModelFacts): Rows {
  const { input: name } = graphPorts[graph]
  const [input] = inputs
  if (inputs.length !== 1 || input?.name !== name) {
    throw new InvalidValueError({ what: `inputs of the ${graph}`, expected: name, got: inputs.map((one) => one.name).join(', ') })
  }
  const { shape } = input
  const datatype = datatypeOf(input, graph === 'encoder' && pixels)
  const size = sizeOf(shape)
  if (shape.length < 2 || shape[0] === 0 || sizeOf(shape.slice(1)) !== dim) {
    throw new InvalidValueError({ what: `shape of input ${name}`, expected: `[n, ${dim}]`, got: shape })
  }
  const bytes = binary.get(name)
  if (!bytes) return { count: shape[0]!, data: numbersOf(input, datatype, size) }
  const expected = size * elementBytes[datatype]
  if (bytes.length !== expected) {
    throw new InvalidValueError({
      what: `binary_data_size of input ${name}`,
      expected: `${expected}, as its shape says`,
      got: bytes.length,
    })
  }
  return { count: shape[0]!, data: datatype === 'UINT8' ? bytes : floats(bytes) }
}

function datatypeOf({ name, datatype }: WireTensor, pixels: boolean): Datatype {
  if (datatype === 'FP32' || (datatype === 'UINT8' && pixels)) return datatype
  throw new InvalidValueError({ what: `datatype of input ${name}`, expected: pixels ? 'FP32 or UINT8' : 'FP32', got: datatype })
}

/** Bytes as floats: a view where they are aligned. */
function floats(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes)
  return new Float32Array(buffer, byteOffset, byteLength / 4)
}

function numbersOf({ name, data }: WireTensor, datatype: Datatype, size: number): Float32Array | Uint8Array {
  const numbers = flatNumbers(data!, datatype === 'FP32' ? 'float32' : 'uint8', `data of input ${name}`)
  if (numbers.length === size) return numbers
  throw new InvalidValueError({ what: `data of input ${name}`, expected: `${size} numbers, as its shape says`, got: numbers.length })
}

/** Which outputs a request wants, in its order, and which of them as bytes. @throws InvalidValueError for one that the graph does not have */
export function outputsOf(
  { outputs, parameters = {} }: WireRequest,
  graph: GraphName,
): { readonly name: OutputName; readonly binary: boolean }[] {
  const all: readonly OutputName[] = graphPorts[graph].outputs
  const usually = parameters.binary_data_output === true
  if (outputs === undefined || outputs.length === 0) return all.map((name) => ({ name, binary: usually }))
  const names = outputs.map(({ name }) => name)
  return outputs.map(({ name, parameters: own = {} }, i) => {
    const output = all.find((one) => one === name)
    const what = `outputs of the ${graph}`
    if (output === undefined || names.indexOf(name) !== i)
      throw new InvalidValueError({ what, expected: `some of ${all.join(', ')}`, got: names })
    if (own.classification !== undefined)
      throw new InvalidValueError({ what, expected: 'no classification: they are no classes', got: name })
    return { name: output, binary: typeof own.binary_data === 'boolean' ? own.binary_data : usually }
  })
}

export type Answer = {
  readonly model: string
  readonly version: string
  readonly id: string | undefined
  readonly count: number
  readonly outputs: readonly { readonly name: OutputName; readonly binary: boolean; readonly data: Float32Array }[]
}

/** The body of an answer, and how long its JSON is where tensors follow it. */
export function encodeAnswer({ model, version, id, count, outputs }: Answer): {
  readonly body: Buffer
  readonly headerLength: number | undefined
} {
  const json = JSON.stringify({
    model_name: model,
    model_version: version,
    ...(id === undefined ? {} : { id }),
    outputs: outputs.map(({ name, binary, data }) => ({
      name,
      datatype: 'FP32',
      shape: name === 'log_likelihood' ? [count] : [count, data.length / count],
      ...(binary ? { parameters: { binary_data_size: data.byteLength } } : { data: Array.from(data) }),
    })),
  })
  const bytes = outputs.filter(({ binary }) => binary).map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  const header = Buffer.from(json)
  return bytes.length === 0
    ? { body: header, headerLength: undefined }
    : { body: Buffer.concat([header, ...bytes]), headerLength: header.length }
}
