/** A model that ONNX Runtime wrote after optimising it, as far as tests look: it holds operators that niceflow has no rules for. */
export type OptimizedModel = {
  readonly nodes: readonly { readonly op: string; readonly inputs: readonly string[] }[]
  /** Element types of the constants by name, as numbers of TensorProto.DataType. */
  readonly constants: Readonly<Record<string, number>>
}

/** TensorProto.DataType.FLOAT */
export const float32 = 1

/** Reads the fields of onnx.proto by their numbers. */
export function readOptimized(bytes: Uint8Array): OptimizedModel {
  const [graph] = all(bytes, 7)
  return {
    nodes: all(graph!, 1).map((node) => ({ op: text(all(node, 4)[0]!), inputs: all(node, 1).map(text) })),
    constants: Object.fromEntries(all(graph!, 5).map((tensor) => [text(all(tensor, 8)[0]!), numberOf(tensor, 2)])),
  }
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const all = (message: Uint8Array, field: number): Uint8Array[] =>
  fields(message).flatMap(({ number, value }) => (number === field && typeof value !== 'number' ? [value] : []))
const numberOf = (message: Uint8Array, field: number): number => fields(message).find(({ number }) => number === field)!.value as number

/** The fields of a protobuf message: numbers, and the bytes of everything else. */
function fields(message: Uint8Array): { number: number; value: number | Uint8Array }[] {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++]!
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  const take = (length: number): Uint8Array => {
    at += length
    return message.subarray(at - length, at)
  }
  const found: { number: number; value: number | Uint8Array }[] = []
  while (at < message.length) {
    const key = varint()
    const wire = key % 8
    found.push({ number: Math.floor(key / 8), value: wire === 0 ? varint() : take(wire === 2 ? varint() : wire === 1 ? 8 : 4) })
  }
  return found
}
