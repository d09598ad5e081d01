import { NiceflowError, type Tensor } from '@niceflow/core'
import type { onnx } from 'onnx-proto'
import onnxProto from 'onnx-proto'
import { checkGraph } from './check.ts'
import { DuplicateNameError, GraphError, UnsupportedModelError } from './errors.ts'
import { type Dim, type Graph, irVersion, type Model, type Node, opset, type Value } from './ir.ts'
import { isOperator } from './operators.ts'
import { decodeAttributes, encodeAttributes } from './serde-attributes.ts'
import { decodeInteger, decodeTensor, decodeType, encodeTensor, encodeType, type ReadExternal } from './serde-tensor.ts'
import type { WeightsFile } from './storage.ts'

const { ModelProto } = onnxProto.onnx

/** Bytes that are no ONNX model, or one that breaks ONNX's rules. */
export class InvalidModelError extends GraphError {
  override readonly name = 'InvalidModelError'
}

/** A model of more bytes than one file of protobuf holds. */
export class ModelSizeError extends GraphError {
  override readonly name = 'ModelSizeError'
}

/** Protobuf's messages end below 2 GiB (https://protobuf.dev/programming-guides/proto-limits), and with them ONNX's files. */
const maxBytes = 2 ** 31 - 1

/**
 * Writes a model as an ONNX file (opset 17, IR version 8).
 * @param weights a file that holds initializers outside: those found in it, by name and contents, are referred to, all others are inside
 * @throws ModelSizeError for 2 GiB and more
 */
export function encodeModel({ graph, metadata }: Model, weights?: WeightsFile): Uint8Array {
  const proto: onnx.IModelProto = {
    irVersion,
    producerName: 'niceflow',
    opsetImport: [{ domain: '', version: opset }],
    graph: encodeGraph(graph, weights),
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  }
  const writer = ModelProto.encode(proto)
  if (writer.len > maxBytes) {
    throw new ModelSizeError(`model "${graph.name}": expected at most ${maxBytes} bytes in one file, got ${writer.len}`, {
      remedy: 'store its weights smaller (fp16, q8), or in a file beside it',
    })
  }
  return writer.finish()
}

export type DecodeOptions = {
  /** Where the bytes were read from, for messages. */
  readonly source: string
  /** Reads files of weights beside the model, where it has any. */
  readonly readExternal?: ReadExternal
}

/**
 * Reads an ONNX file of opset 17 whose operators niceflow has, and checks its graph.
 * @throws UnsupportedModelError naming the operator, opset, element type or attribute that niceflow does not have
 * @throws InvalidModelError for bytes that are no model, and for a graph that ONNX would refuse
 */
export function decodeModel(bytes: Uint8Array, { source, readExternal }: DecodeOptions): Model {
  try {
    const proto = parse(bytes)
    if (!proto.graph) throw new Error('not an ONNX model: it has no graph')
    const version = decodeInteger(proto.opsetImport?.find(({ domain }) => isOnnx(domain))?.version ?? 0, 'opset')
    if (version !== opset) throw new UnsupportedModelError(`opset ${version} is not ${opset}`)
    const graph = checkGraph(graphDecoder(readExternal)(proto.graph))
    const metadata = Object.fromEntries((proto.metadataProps ?? []).map(({ key, value }) => [key ?? '', value ?? '']))
    return { graph, metadata }
  } catch (cause) {
    const message = `${source}: ${cause instanceof Error ? cause.message : cause}`
    if (cause instanceof UnsupportedModelError) {
      throw new UnsupportedModelError(message, { cause, remedy: `export the model with opset ${opset} and the operators of niceflow` })
    }
    if (NiceflowError.is(cause) && !(cause instanceof GraphError)) throw cause
    throw new InvalidModelError(message, { cause, remedy: 'export the model again, or fetch it again' })
  }
}

/** The set of operators that ONNX itself defines goes by two names. */
function isOnnx(domain: string | null | undefined): boolean {
  return !domain || domain === 'ai.onnx'
}

function parse(bytes: Uint8Array): onnx.ModelProto {
  try {
    return ModelProto.decode(bytes)
  } catch (cause) {
    throw new Error(`not an ONNX model: ${(cause as Error).message}`, { cause })
  }
}

function encodeGraph(graph: Graph, weights: WeightsFile | undefined): onnx.IGraphProto {
  return {
    name: graph.name,
    input: graph.inputs.map(encodeValue),
    output: graph.outputs.map(encodeValue),
    initializer: Object.entries(graph.initializers).map(([name, tensor]) => encodeTensor(name, tensor, weights)),
    node: graph.nodes.map(({ op, name, inputs, outputs, attributes }) => ({
      opType: op,
      name,
      input: [...inputs],
      output: [...outputs],
      attribute: encodeAttributes(attributes, (body) => encodeGraph(body, weights)),
    })),
  }
}

function encodeValue({ name, dtype, dims }: Value): onnx.IValueInfoProto {
  const dim = dims.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }))
  return { name, type: { tensorType: { elemType: encodeType(dtype), shape: { dim } } } }
}

function graphDecoder(readExternal?: ReadExternal): (proto: onnx.IGraphProto) => Graph {
  function decode(proto: onnx.IGraphProto): Graph {
    const name = proto.name ?? ''
    const where = `graph "${name}"`
    if (proto.sparseInitializer?.length) throw new UnsupportedModelError(`${where}: sparse weights`)
    const weights = (proto.initializer ?? []).map((tensor) => {
      return [tensor.name ?? '', decodeTensor(tensor, `weights "${tensor.name}"`, readExternal)] as const
    })
    const [constants, nodes] = partition(proto.node ?? [], (node) => node.opType === 'Constant' && isOnnx(node.domain))
    const initializers = new Map<string, Tensor>()
    for (const [given, tensor] of [...weights, ...constants.map(decodeConstant)]) {
      if (initializers.has(given)) throw new DuplicateNameError(name, given)
      initializers.set(given, tensor)
    }
    // Before IR version 4 weights had to be inputs too.
    const inputs = (proto.input ?? []).filter((input) => !initializers.has(input.name ?? ''))
    return {
      name,
      inputs: inputs.map((input) => decodeValue(input, `${where}, input`)),
      outputs: (proto.output ?? []).map((output) => decodeValue(output, `${where}, output`)),
      initializers: Object.fromEntries(initializers),
      nodes: nodes.map(decodeNode),
    }
  }

  function decodeNode({ opType, domain, name: given, input, output, attribute }: onnx.INodeProto): Node {
    const op = opType ?? ''
    const name = given || output?.[0] || op
    if (!isOperator(op) || !isOnnx(domain))
      throw new UnsupportedModelError(`node "${name}": unknown operator ${domain ? `${domain}.${op}` : op}`)
    const attributes = decodeAttributes(op, attribute ?? [], decode, `${op} "${name}"`)
    return { op, name, inputs: input ?? [], outputs: output ?? [], attributes } as Node
  }

  return decode
}

function decodeValue({ name, type }: onnx.IValueInfoProto, where: string): Value {
  const what = `${where} "${name ?? ''}"`
  const tensor = type?.tensorType
  if (!tensor?.elemType || !tensor.shape) throw new Error(`${what}: expected a tensor type with a shape, got none`)
  const dims = (tensor.shape.dim ?? []).map((dim, axis): Dim => {
    // A dynamic dimension without a name gets one of its own.
    if (!Object.hasOwn(dim, 'dimValue')) return dim.dimParam || `${name}.${axis}`
    const size = decodeInteger(dim.dimValue ?? 0, what)
    if (size < 0) throw new Error(`${what}: expected a size on axis ${axis}, got ${size}`)
    return size
  })
  return { name: name ?? '', dtype: decodeType(tensor.elemType, what), dims }
}

/** A Constant node is an initializer by another name. */
function decodeConstant({ output, attribute }: onnx.INodeProto): readonly [string, Tensor] {
  const name = output?.[0] ?? ''
  const where = `Constant "${name}"`
  const [proto] = attribute ?? []
  const floats = (values: number[]): onnx.ITensorProto => ({ dataType: encodeType('float32'), floatData: values, dims: [values.length] })
  const ints = (values: onnx.IAttributeProto['ints']): onnx.ITensorProto => ({
    dataType: encodeType('int64'),
    int64Data: values ?? [],
    dims: [values?.length ?? 0],
  })
  const forms: Readonly<Record<string, onnx.ITensorProto | null | undefined>> = {
    value: proto?.t,
    value_float: { ...floats([proto?.f ?? 0]), dims: [] },
    value_floats: floats(proto?.floats ?? []),
    value_int: { ...ints([proto?.i ?? 0]), dims: [] },
    value_ints: ints(proto?.ints),
  }
  const contents = forms[proto?.name ?? '']
  if (!contents) throw new UnsupportedModelError(`${where}: unknown attribute "${proto?.name ?? ''}"`)
  return [name, decodeTensor(contents, where)]
}

function partition<T>(items: readonly T[], belongs: (item: T) => boolean): readonly [T[], T[]] {
  return [items.filter(belongs), items.filter((item) => !belongs(item))]
}
