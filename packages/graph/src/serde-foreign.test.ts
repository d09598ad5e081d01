import { NiceflowError } from '@niceflow/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { operatorCases } from './cases.test-data.ts'
import { UnsupportedModelError } from './errors.ts'
import { evaluate } from './float64.ts'
import { caseGraph } from './onnxruntime.test-data.ts'
import { decodeModel, encodeModel, InvalidModelError } from './serde.ts'

const source = 'model.onnx'
const read = (bytes: Uint8Array) => decodeModel(bytes, { source })

/** A field of a protobuf message: an integer is written as a varint, everything else behind its length. */
type Field = readonly [number: number, contents: number | bigint | string | Uint8Array]

function message(...fields: readonly Field[]): Uint8Array {
  return Buffer.concat(
    fields.map(([number, contents]) => {
      if (typeof contents === 'number' || typeof contents === 'bigint') return Buffer.from([...varint(number * 8), ...varint(contents)])
      const bytes = Buffer.from(contents)
      return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes])
    }),
  )
}

function varint(value: number | bigint): number[] {
  const bits = BigInt.asUintN(64, BigInt(value))
  return bits < 128n ? [Number(bits)] : [Number(bits & 127n) | 128, ...varint(bits >> 7n)]
}

// The messages of onnx.proto, by field numbers.
const model = (graph: Uint8Array, opset = 17, domain = ''): Uint8Array => message([1, 3], [8, message([1, domain], [2, opset])], [7, graph])
const graphOf = (...fields: readonly Field[]): Uint8Array => message([2, 'g'], ...fields)
const port = (name: string, type: number, ...dims: readonly Uint8Array[]): Uint8Array =>
  message([1, name], [2, message([1, message([1, type], [2, message(...dims.map((dim): Field => [1, dim]))])])])
const size = (n: number): Uint8Array => message([1, n])
const input = (contents: Uint8Array): Field => [11, contents]
const output = (contents: Uint8Array): Field => [12, contents]
const weights = (name: string, type: number, dims: readonly number[], ...data: readonly Field[]): Field => [
  5,
  message(...dims.map((dim): Field => [1, dim]), [2, type], [8, name], ...data),
]
const node = (op: string, inputs: readonly string[], outputs: readonly string[], ...more: readonly Field[]): Field => [
  1,
  message(...inputs.map((name): Field => [1, name]), ...outputs.map((name): Field => [2, name]), [4, op], ...more),
]
const attribute = (name: string, type: number, ...contents: readonly Field[]): Field => [5, message([1, name], [20, type], ...contents)]
const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)
const doubles = (...values: number[]): Uint8Array => new Uint8Array(Float64Array.from(values).buffer)
const int64s = (...values: bigint[]): Uint8Array => Uint8Array.from(values.flatMap(varint))
const types = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, float64: 11, bfloat16: 16 }

describe('files that others wrote', () => {
  const x = input(port('x', types.float32, message([2, 'batch']), size(5)))

  it('may slice to the largest and smallest integers that there are', () => {
    const bounds = [
      weights('far', types.int64, [1], [7, int64s(2n ** 63n - 1n)]),
      weights('near', types.int64, [1], [7, int64s(-(2n ** 63n))]),
      weights('axis', types.int64, [1], [7, int64s(-1n)]),
    ]
    const { graph } = read(
      model(
        graphOf(
          x,
          output(port('y', types.float32, message([2, 'batch']), size(5))),
          ...bounds,
          node('Slice', ['x', 'near', 'far', 'axis'], ['y']),
        ),
      ),
    )
    expect(graph.initializers.far!.data).toEqual(BigInt64Array.of(2n ** 63n - 1n))
    expect(graph.initializers.near!.data).toEqual(BigInt64Array.of(-(2n ** 63n)))
    expect(evaluate(graph, { x: { dims: [1, 5], data: Float64Array.of(1, 2, 3, 4, 5) } }).y!.data).toEqual(Float64Array.of(1, 2, 3, 4, 5))
  })

  it('may hold elements in the field of their type instead of raw bytes', () => {
    const { graph } = read(
      model(
        graphOf(
          weights('float32', types.float32, [2], [4, floats(0.5, -2)]),
          weights('float64', types.float64, [2], [10, doubles(0.1, -2)]),
          weights('int32', types.int32, [2], [5, int64s(7n, -7n)]),
          weights('int8', types.int8, [2], [5, int64s(7n, -7n)]),
          weights('uint8', types.uint8, [1], [5, int64s(255n)]),
          weights('bool', types.bool, [2], [5, int64s(1n, 0n)]),
          weights('float16', types.float16, [1], [5, int64s(0x3c00n)]),
        ),
      ),
    )
    expect(Object.fromEntries(Object.entries(graph.initializers).map(([name, { dtype, data }]) => [name, { dtype, data }]))).toEqual({
      float32: { dtype: 'float32', data: Float32Array.of(0.5, -2) },
      float64: { dtype: 'float64', data: Float64Array.of(0.1, -2) },
      int32: { dtype: 'int32', data: Int32Array.of(7, -7) },
      int8: { dtype: 'int8', data: Int8Array.of(7, -7) },
      uint8: { dtype: 'uint8', data: Uint8Array.of(255) },
      bool: { dtype: 'bool', data: Uint8Array.of(1, 0) },
      float16: { dtype: 'float16', data: Uint16Array.of(0x3c00) },
    })
  })

  it('may have Constant nodes, weights that are inputs too, nodes without names and dimensions without names', () => {
    const constants = [
      node('Constant', [], ['one'], attribute('value', 4, [5, message([2, types.float32], [4, floats(1)])])),
      node('Constant', [], ['ints'], attribute('value_ints', 7, [8, int64s(5n, -1n)])),
      node('Constant', [], ['int'], attribute('value_int', 2, [3, 3])),
      node('Constant', [], ['floats'], attribute('value_floats', 6, [7, floats(1, 2)])),
    ]
    const { graph } = read(
      model(
        graphOf(
          input(port('x', types.float32, message(), size(1))),
          input(port('w', types.float32)),
          weights('w', types.float32, [], [9, floats(3)]),
          ...constants,
          node('Mul', ['x', 'w'], ['y'], [7, 'ai.onnx']),
          output(port('y', types.float32, message([2, 'x.0']), size(1))),
        ),
        17,
        'ai.onnx',
      ),
    )
    expect(graph.inputs).toEqual([{ name: 'x', dtype: 'float32', dims: ['x.0', 1] }])
    expect(graph.nodes).toEqual([{ op: 'Mul', name: 'y', inputs: ['x', 'w'], outputs: ['y'], attributes: {} }])
    expect(graph.initializers).toEqual({
      w: { dtype: 'float32', dims: [], data: Float32Array.of(3) },
      one: { dtype: 'float32', dims: [], data: Float32Array.of(1) },
      ints: { dtype: 'int64', dims: [2], data: BigInt64Array.of(5n, -1n) },
      int: { dtype: 'int64', dims: [], data: BigInt64Array.of(3n) },
      floats: { dtype: 'float32', dims: [2], data: Float32Array.of(1, 2) },
    })
  })

  const y = output(port('y', types.float32, message([2, 'batch']), size(5)))
  it.each<[string, Uint8Array, string]>([
    ['an operator', model(graphOf(x, y, node('Sin', ['x'], ['y'], [3, 'wave']))), 'node "wave": unknown operator Sin'],
    [
      'an operator set',
      model(graphOf(x, y, node('Relu', ['x'], ['y'], [7, 'com.example']))),
      'node "y": unknown operator com.example.Relu',
    ],
    ['an opset', model(graphOf(x), 21), 'opset 21 is not 17'],
    ['no opset at all', message([1, 8], [7, graphOf(x)]), 'opset 0 is not 17'],
    [
      'an element type of weights',
      model(graphOf(weights('w', types.bfloat16, [1], [5, int64s(0n)]))),
      'weights "w": element type BFLOAT16 is not one of float32, float64, float16, int64, int32, int8, uint8, bool',
    ],
    [
      'an element type of a port',
      model(graphOf(input(port('x', types.string)))),
      'graph "g", input "x": element type STRING is not one of',
    ],
    ['an unheard-of element type', model(graphOf(weights('w', 99, [1]))), 'weights "w": element type 99 is not one of'],
    [
      'an attribute',
      model(graphOf(x, y, node('Relu', ['x'], ['y'], attribute('slope', 2, [3, 1])))),
      'Relu "y": unknown attribute "slope"',
    ],
    [
      "another operator's attribute",
      model(graphOf(x, y, node('Relu', ['x'], ['y'], attribute('axis', 2, [3, 1])))),
      'Relu "y": unknown attribute "axis"',
    ],
    [
      'a type of attribute',
      model(graphOf(x, y, node('Concat', ['x'], ['y'], attribute('axis', 7, [8, 1])))),
      'Concat "y", attribute "axis": expected type INT, got type 7',
    ],
    ['a missing attribute', model(graphOf(x, y, node('Concat', ['x'], ['y']))), 'Concat "y": attribute "axis" is missing'],
    [
      'a word of an attribute',
      model(graphOf(x, y, node('ScatterElements', ['x', 'x', 'x'], ['y'], attribute('reduction', 3, [4, 'mul'])))),
      'ScatterElements "y", attribute "reduction": "mul" is not one of none, add',
    ],
    [
      'a form of Constant',
      model(graphOf(node('Constant', [], ['c'], attribute('value_string', 3, [4, 'word'])))),
      'Constant "c": unknown attribute "value_string"',
    ],
    ['sparse weights', model(graphOf([15, message()])), 'graph "g": sparse weights'],
    [
      'a shape beyond 2^53',
      model(graphOf(weights('w', 1, [], [1, 2n ** 60n]))),
      'weights "w": the integer 1152921504606846976 is beyond 2^53',
    ],
  ])('with %s that niceflow does not have say so', (_, bytes, text) => {
    expect(() => read(bytes)).toThrow(UnsupportedModelError)
    expect(() => read(bytes)).toThrow(`model.onnx: ${text}`)
  })

  it.each<[string, Uint8Array, string]>([
    ['no bytes', new Uint8Array(), 'not an ONNX model: it has no graph'],
    ['bytes of something else', Buffer.from('\x89PNG\r\n\x1a\n'), 'not an ONNX model: '],
    ['a model without a graph', message([1, 8], [8, message([2, 17])]), 'not an ONNX model: it has no graph'],
    [
      'a port without a type',
      model(graphOf(input(message([1, 'x'])))),
      'graph "g", input "x": expected a tensor type with a shape, got none',
    ],
    [
      'a port without a shape',
      model(graphOf(output(message([1, 'y'], [2, message([1, message([1, 1])])])))),
      'graph "g", output "y": expected a tensor type with a shape',
    ],
    ['a negative size', model(graphOf(input(port('x', 1, size(-3))))), 'graph "g", input "x": expected a size on axis 0, got -3'],
    ['too few bytes', model(graphOf(weights('w', 1, [2], [9, floats(1)]))), 'weights "w": expected 8 bytes for the shape [2], got 4'],
    [
      'too many elements',
      model(graphOf(weights('w', 1, [1], [4, floats(1, 2)]))),
      'weights "w": expected 1 elements for the shape [1], got 2',
    ],
    [
      'weights of negative size',
      model(graphOf(weights('w', 1, [-1, -1], [4, floats(1)]))),
      'weights "w": expected sizes, got the shape [-1, -1]',
    ],
    ['weights twice', model(graphOf(weights('w', 1, [0]), weights('w', 1, [0]))), 'graph "g": the name "w" is given twice'],
    ['an unknown value', model(graphOf(y, node('Relu', ['nothing'], ['y']))), 'graph "g": Relu "y": unknown value "nothing"'],
    [
      'shapes that do not fit',
      model(graphOf(x, weights('w', 1, [2], [9, floats(1, 2)]), y, node('Add', ['x', 'w'], ['y']))),
      'Add "y": expected shapes that broadcast',
    ],
  ])('that are no models say where: %s', (_, bytes, text) => {
    expect(() => read(bytes)).toThrow(NiceflowError)
    expect(() => read(bytes)).toThrow(text)
    expect(() => read(bytes)).toThrow(/^model\.onnx: /)
  })
})

describe('damaged files', () => {
  const files = (['Loop', 'Slice', 'Gemm', 'ConstantOfShape'] as const).map((op) =>
    encodeModel({ graph: caseGraph(op, operatorCases[op][0]!).graph, metadata: { a: 'b' } }),
  )
  const readOrRefuse = (bytes: Uint8Array): void => {
    try {
      read(bytes)
    } catch (error) {
      expect(error instanceof InvalidModelError || error instanceof UnsupportedModelError, String(error)).toBe(true)
      expect((error as Error).message).toMatch(/^model\.onnx: /)
    }
  }

  it('are read or refused, wherever they are cut', () => {
    for (const bytes of files) for (let length = 0; length < bytes.length; length++) readOrRefuse(bytes.subarray(0, length))
  })

  it('are read or refused, whatever bytes are changed', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.constantFrom(...files), changes, (file, edits) => {
        const bytes = Uint8Array.from(file)
        for (const [at, byte] of edits) bytes[at % bytes.length] = byte
        readOrRefuse(bytes)
      }),
      { seed: 5, numRuns: 2000 },
    )
  })
})
