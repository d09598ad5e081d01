import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { arrayTypes, type DataType, NiceflowError, type Tensor, tensor } from '@niceflow/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { draws, operatorCases } from './cases.test-data.ts'
import { evaluate } from './float64.ts'
import type { Graph, Model, Node, Value } from './ir.ts'
import { caseGraph, runOnnxRuntime } from './onnxruntime.test-data.ts'
import type { OpType } from './operators.ts'
import { decodeModel, encodeModel } from './serde.ts'
import { bytesOf, layoutWeights } from './storage.ts'

const source = 'model.onnx'
const read = (bytes: Uint8Array): Model => decodeModel(bytes, { source })

/** ONNX's float attributes have 32 bits. */
const rounded = (model: Model): Model =>
  JSON.parse(
    JSON.stringify(model, (key, value) =>
      key === 'alpha' || key === 'beta' ? Math.fround(value) : typeof value === 'bigint' ? `${value}n` : value,
    ),
  )

const cases = (Object.keys(operatorCases) as OpType[]).flatMap((op) => operatorCases[op].map((example) => caseGraph(op, example).graph))

describe('decode(encode(m)) ≡ m', () => {
  it.each(cases.map((graph) => [graph.name, graph] as const))('for a graph of %s', (_, graph) => {
    const model: Model = { graph, metadata: {} }
    expect(rounded(read(encodeModel(model)))).toEqual(rounded(model))
  })

  const dtypes = Object.keys(arrayTypes) as DataType[]
  const anyTensor = fc
    .tuple(fc.constantFrom(...dtypes), fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }), fc.infiniteStream(fc.nat(255)))
    .map(([dtype, dims, stream]) => {
      const contents = tensor(dtype, dims)
      const bytes = new Uint8Array(contents.data.buffer)
      for (let i = 0; i < bytes.length; i++) bytes[i] = stream.next().value!
      return contents
    })
  const anyName = fc.string({ unit: 'binary', minLength: 1 })

  it('for any names, weights of any type and bits, symbolic dimensions and metadata', () => {
    fc.assert(
      fc.property(
        fc.dictionary(anyName, anyTensor),
        fc.dictionary(anyName, fc.string({ unit: 'binary' })),
        fc.array(anyName),
        (weights, metadata, dims) => {
          const x: Value = { name: 'the input', dtype: 'float32', dims }
          fc.pre(!Object.hasOwn(weights, x.name))
          const model: Model = { graph: { name: 'g', inputs: [x], outputs: [x], initializers: weights, nodes: [] }, metadata }
          const decoded = read(encodeModel(model))
          expect(decoded.metadata).toEqual(metadata)
          expect(decoded.graph.inputs).toEqual([x])
          expect(Object.keys(decoded.graph.initializers).sort()).toEqual(Object.keys(weights).sort())
          for (const [name, contents] of Object.entries(weights)) {
            const { dtype, dims: shape, data } = decoded.graph.initializers[name]!
            expect({ dtype, shape, bytes: new Uint8Array(data.buffer) }).toEqual({
              dtype: contents.dtype,
              shape: contents.dims,
              bytes: new Uint8Array(contents.data.buffer),
            })
          }
        },
      ),
      { seed: 11, numRuns: 100 },
    )
  })
})

const value = (name: string, dims: Value['dims']): Value => ({ name, dtype: 'float32', dims })

/** y = x w + b, twice over through a Loop and a Scan that use the weights of the graph around them. */
function layeredModel(): Model & { weights: Record<string, Tensor> } {
  const weights = { w: draws([600, 600], -0.05, 0.05), b: draws([600]), unused: draws([4]) }
  const step: readonly Node[] = [
    { op: 'Gemm', name: 'affine', inputs: ['h', 'w', 'b'], outputs: ['moved'], attributes: {} },
    { op: 'Tanh', name: 'bend', inputs: ['moved'], outputs: ['h_next'], attributes: {} },
  ]
  const body: Graph = {
    name: 'turn',
    inputs: [{ name: 'i', dtype: 'int64', dims: [] }, { name: 'go', dtype: 'bool', dims: [] }, value('h', ['batch', 600])],
    outputs: [{ name: 'go_on', dtype: 'bool', dims: [] }, value('h_next', ['batch', 600])],
    initializers: {},
    nodes: [{ op: 'Identity', name: 'keep', inputs: ['go'], outputs: ['go_on'], attributes: {} }, ...step],
  }
  const scanned: Graph = {
    name: 'row',
    inputs: [value('row', [600])],
    outputs: [value('sum', [600])],
    initializers: {},
    nodes: [{ op: 'Add', name: 'shift', inputs: ['row', 'b'], outputs: ['sum'], attributes: {} }],
  }
  const graph: Graph = {
    name: 'layered',
    inputs: [value('x', ['batch', 600])],
    outputs: [value('last', ['batch', 600]), value('y', ['batch', 600])],
    initializers: { w: weights.w, b: weights.b, trips: tensor('int64', [], BigInt64Array.of(3n)) },
    nodes: [
      { op: 'Loop', name: 'loop', inputs: ['trips', '', 'x'], outputs: ['last'], attributes: { body } },
      { op: 'Scan', name: 'scan', inputs: ['last'], outputs: ['y'], attributes: { body: scanned, num_scan_inputs: 1 } },
    ],
  }
  return { graph, metadata: { prior: 'logistic' }, weights }
}

it('refuses more bytes than a file of protobuf holds, before it writes them', () => {
  // Zeros take no memory until they are touched.
  const w = tensor('float32', [2 ** 29])
  const graph: Graph = { name: 'huge', inputs: [], outputs: [], initializers: { w }, nodes: [] }
  expect(() => encodeModel({ graph, metadata: {} })).toThrow(
    /^model "huge": expected at most 2147483647 bytes in one file, got 21474837\d\d$/,
  )
  const file = layoutWeights({ w }, 'weights.bin')
  expect(encodeModel({ graph, metadata: {} }, file).length).toBeLessThan(200)
})

describe('weights in a file of their own', () => {
  const { weights, ...model } = layeredModel()
  const file = layoutWeights(weights, 'weights.bin')
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-serde-'))
  const bytes = encodeModel(model, file)
  writeFileSync(join(folder, 'weights.bin'), Buffer.concat(file.chunks))
  writeFileSync(join(folder, 'model.onnx'), bytes)
  const stored = readFileSync(join(folder, 'weights.bin'))
  const readExternal = (location: string, offset: number, length: number): Uint8Array => {
    expect(location).toBe('weights.bin')
    return stored.subarray(offset, offset + length)
  }

  it('leave the graph small, and come back', () => {
    expect(bytes.length).toBeLessThan(1000)
    const { graph, metadata } = decodeModel(bytes, { source, readExternal })
    expect({ metadata, graph: { ...graph, initializers: {} } }).toEqual({ ...model, graph: { ...model.graph, initializers: {} } })
    for (const [name, contents] of Object.entries(model.graph.initializers)) {
      expect(Buffer.compare(bytesOf(graph.initializers[name]!), bytesOf(contents)), name).toBe(0)
    }
  })

  it('are what ONNX Runtime computes with, in a Loop and a Scan too', async () => {
    const x = draws([4, 600])
    const expected = evaluate(model.graph, { x })
    const got = await runOnnxRuntime(join(folder, 'model.onnx'), { x })
    rmSync(folder, { recursive: true })
    for (const name of ['last', 'y']) {
      // Three layers of 600-term float32 sums of numbers below 0.1, each off by a few of its roundings.
      const float32Tolerance = 2e-6
      const errors = expected[name]!.data.map((y, i) => Math.abs(y - got[name]!.data[i]!))
      expect(got[name]!.dims).toEqual([4, 600])
      expect(Math.max(...errors)).toBeLessThan(float32Tolerance)
    }
  })

  it('are asked for by name when they are not given, or too short', () => {
    expect(() => read(bytes)).toThrow('model.onnx: weights "w": its weights are in the file "weights.bin", which was not given')
    expect(() => decodeModel(bytes, { source, readExternal: () => new Uint8Array(5) })).toThrow(
      'model.onnx: weights "w": expected 1440000 bytes at 65536 of "weights.bin", got 5',
    )
  })

  it('may not lie outside the folder of the model', () => {
    for (const location of ['../weights.bin', '/etc/passwd', '..', 'C:\\weights.bin', '']) {
      const elsewhere = encodeModel(model, { ...file, location })
      expect(() => decodeModel(elsewhere, { source, readExternal })).toThrow(
        `expected its weights in a file beside the model, got "${location}"`,
      )
    }
  })

  it('that the reader refuses keep the reader’s own error', () => {
    const refusal = new NiceflowError('weights.bin: checksum differs', { remedy: 'fetch it again' })
    const failing = (): never => {
      throw refusal
    }
    expect(() => decodeModel(bytes, { source, readExternal: failing })).toThrow(refusal)
  })
})
