import type { DataType, Tensor } from '@niceflow/core'
import { UnsupportedModelError } from './errors.ts'
import type { Graph } from './ir.ts'
import { type AttributeName, type Attributes, attributeKinds, type OpType } from './operators.ts'
import { decodeInteger, decodeTensor, decodeType, encodeTensor, encodeType, type ProtoInteger, type TensorProto } from './serde-tensor.ts'

/** ONNX's AttributeProto (onnx.proto, IR version 8), as far as niceflow reads and writes it. */
export type AttributeProto<GraphProto> = {
  name?: string | null
  type?: number | null
  f?: number | null
  i?: ProtoInteger | null
  s?: Uint8Array | null
  t?: TensorProto | null
  g?: GraphProto | null
  ints?: ProtoInteger[] | null
  floats?: number[] | null
}

/** What each kind of attribute is in JavaScript. */
type KindValues = { float: number; int: number; ints: readonly number[]; string: string; type: DataType; tensor: Tensor; graph: Graph }
type Kind = keyof KindValues

type Codec<K extends Kind> = {
  /** AttributeProto.AttributeType, and its name there. */
  readonly type: number
  readonly typeName: string
  readonly encode: <P>(value: KindValues[K], encodeGraph: (graph: Graph) => P) => AttributeProto<P>
  /** Undefined where the field is missing. */
  readonly decode: <P>(proto: AttributeProto<P>, decodeGraph: (proto: P) => Graph, where: string) => KindValues[K] | undefined
}

const codecs: { readonly [K in Kind]: Codec<K> } = {
  float: { type: 1, typeName: 'FLOAT', encode: (f) => ({ f }), decode: ({ f }) => f ?? 0 },
  int: { type: 2, typeName: 'INT', encode: (i) => ({ i }), decode: ({ i }, _, where) => decodeInteger(i ?? 0, where) },
  string: {
    type: 3,
    typeName: 'STRING',
    encode: (s) => ({ s: Uint8Array.from(s, (letter) => letter.charCodeAt(0)) }),
    decode: ({ s }) => Array.from(s ?? [], (code) => String.fromCharCode(code)).join(''),
  },
  tensor: {
    type: 4,
    typeName: 'TENSOR',
    encode: (tensor) => ({ t: encodeTensor('', tensor) }),
    decode: ({ t }, _, where) => (t ? decodeTensor(t, where) : undefined),
  },
  graph: {
    type: 5,
    typeName: 'GRAPH',
    encode: (graph, encodeGraph) => ({ g: encodeGraph(graph) }),
    decode: ({ g }, decodeGraph) => (g ? decodeGraph(g) : undefined),
  },
  ints: {
    type: 7,
    typeName: 'INTS',
    encode: (ints) => ({ ints: [...ints] }),
    decode: ({ ints }, _, where) => (ints ?? []).map((i) => decodeInteger(i, where)),
  },
  type: {
    type: 2,
    typeName: 'INT',
    encode: (dtype) => ({ i: encodeType(dtype) }),
    decode: ({ i }, _, where) => decodeType(decodeInteger(i ?? 0, where), where),
  },
}

export function encodeAttributes<P>(attributes: Attributes<OpType>, encodeGraph: (graph: Graph) => P): AttributeProto<P>[] {
  return Object.entries(attributes).flatMap(([name, value]) => {
    if (value === undefined) return []
    const { type, encode } = codecs[attributeKinds[name as AttributeName]] as Codec<Kind>
    return { name, type, ...encode(value, encodeGraph) }
  })
}

type Use<Op extends OpType> = {
  readonly [A in keyof Attributes<Op>]-?: Record<never, never> extends Pick<Attributes<Op>, A> ? 'optional' : 'required'
}

/** Which attributes each operator has; those not listed have none. */
const attributeUse: { readonly [Op in OpType as keyof Attributes<Op> extends never ? never : Op]: Use<Op> } = {
  Cast: { to: 'required' },
  Concat: { axis: 'required' },
  ConstantOfShape: { value: 'optional' },
  Gather: { axis: 'optional' },
  Gemm: { alpha: 'optional', beta: 'optional', transA: 'optional', transB: 'optional' },
  HardSigmoid: { alpha: 'optional', beta: 'optional' },
  LeakyRelu: { alpha: 'optional' },
  Loop: { body: 'required' },
  ReduceMax: { axes: 'optional', keepdims: 'optional' },
  ReduceMean: { axes: 'optional', keepdims: 'optional' },
  ReduceSum: { keepdims: 'optional' },
  Scan: { body: 'required', num_scan_inputs: 'required' },
  ScatterElements: { axis: 'optional', reduction: 'optional' },
  Split: { axis: 'optional' },
  Transpose: { perm: 'optional' },
}

/** The words that niceflow knows of those that an attribute may be. */
const words: { readonly [A in AttributeName]?: readonly string[] } = { reduction: ['none', 'add'] satisfies Reduction[] }
type Reduction = NonNullable<Attributes<'ScatterElements'>['reduction']>

/**
 * @param where the node, for messages
 * @throws UnsupportedModelError naming an attribute that the operator does not have here, is of another type, or is missing
 */
export function decodeAttributes<P>(
  op: OpType,
  protos: readonly AttributeProto<P>[],
  decodeGraph: (proto: P) => Graph,
  where: string,
): Attributes<OpType> {
  const uses: Readonly<Record<string, 'optional' | 'required'>> = op in attributeUse ? attributeUse[op as keyof typeof attributeUse] : {}
  const attributes: Record<string, unknown> = {}
  for (const proto of protos) {
    const name = proto.name ?? ''
    if (!isAttributeName(name) || !Object.hasOwn(uses, name)) throw new UnsupportedModelError(`${where}: unknown attribute "${name}"`)
    const what = `${where}, attribute "${name}"`
    const codec = codecs[attributeKinds[name]] as Codec<Kind>
    const value = proto.type === codec.type ? codec.decode(proto, decodeGraph, what) : undefined
    if (value === undefined) throw new UnsupportedModelError(`${what}: expected type ${codec.typeName}, got type ${proto.type ?? 0}`)
    if (words[name]?.includes(String(value)) === false)
      throw new UnsupportedModelError(`${what}: "${value}" is not one of ${words[name].join(', ')}`)
    attributes[name] = value
  }
  const missing = Object.keys(uses).find((name) => uses[name] === 'required' && !(name in attributes))
  if (missing) throw new UnsupportedModelError(`${where}: attribute "${missing}" is missing`)
  return attributes as Attributes<OpType>
}

function isAttributeName(name: string): name is AttributeName {
  return Object.hasOwn(attributeKinds, name)
}
