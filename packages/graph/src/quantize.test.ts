import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storageTypes, type Tensor, tensor } from '@niceflow/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { buildGraph } from './builder.ts'
import { draws } from './cases.test-data.ts'
import { evaluate } from './float64.ts'
import type { Graph } from './ir.ts'
import { runOnnxRuntime } from './onnxruntime.test-data.ts'
import { loadWeights, type StoredWeights, storedTensors, storedWeights, storeWeights, weightValue } from './quantize.ts'
import { decodeModel, encodeModel } from './serde.ts'
import { layoutWeights } from './storage.ts'

/** Columns of sizes that half precision does not have, of zeros, and one with a weight that dwarfs the others. */
const columns = [1, 1e30, 1e-30, 0, 3.4028234663852886e38, 1e-45, 1]
const rowCount = 40
const matrix = draws([rowCount, columns.length], -1, 1)
matrix.data.forEach((x, i) => {
  matrix.data[i] = x * columns[i % columns.length]!
})
matrix.data[4] = columns[4]!
matrix.data[columns.length - 1] = 50
const weights = { matrix, bias: draws([9]), row: draws([1, 5]), column: draws([5, 1]) }
const largest = columns.map((_, column) => Math.max(...matrix.data.filter((_, i) => i % columns.length === column).map(Math.abs)))

/** A graph that gives every stored weight as it is computed with. */
function valuesGraph(stored: StoredWeights): Graph {
  const g = buildGraph('values')
  const zero = g.input('zero', 'float32', [1])
  for (const [name, weight] of Object.entries(stored)) g.output(`${name}_value`, g.Add(weightValue(g, name, weight), zero))
  return g.build()
}
const zero = tensor('float32', [1])

/** The weights as a graph has them, in float64. */
function restored(dtype: (typeof storageTypes)[number], given: Readonly<Record<string, Tensor<'float32'>>> = weights) {
  const values = evaluate(valuesGraph(storeWeights(given, dtype)), { zero })
  return (name: string): Float64Array => values[`${name}_value`]!.data
}

/** The error of each element of the matrix in units of the largest of its column. */
function errors(dtype: (typeof storageTypes)[number]): { relative: number; exact: number; column: number }[] {
  return [...restored(dtype)('matrix')].map((value, i) => {
    const column = i % columns.length
    return { relative: Math.abs(value - matrix.data[i]!) / largest[column]!, exact: matrix.data[i]!, column }
  })
}

/** Columns whose scale is a normal float32 number. */
const normal = (column: number): boolean => largest[column]! > 1e-37

describe('stored weights', () => {
  it('fp32 are the arrays themselves', () => {
    expect(storeWeights(weights, 'fp32')).toBe(weights)
  })

  it.each(storageTypes)('%s have the values outside of a graph that they have in one, to float32', (dtype) => {
    const inGraph = restored(dtype)
    for (const [name, { data }] of Object.entries(loadWeights(storeWeights(weights, dtype)))) {
      // The graph adds a zero, by which -0 becomes 0.
      expect(data.map((value) => value + 0)).toEqual(Float32Array.from(inGraph(name)))
    }
  })

  it('q8 are within half a step, and steps grow with the square root of a weight, whatever the size of its column', () => {
    /** Half the gap between c^2 and (c + 1)^2, the largest being 127^2; and the scale is rounded to float32. */
    const halfStep = (share: number): number => Math.sqrt(share) / 127 + 0.5 / 127 ** 2 + 1e-6
    const found = errors('q8').filter(({ column }) => normal(column))
    expect(found.length).toBe(5 * rowCount)
    const inSteps = found.map(({ relative, exact, column }) => relative / halfStep(Math.abs(exact) / largest[column]!))
    expect(Math.max(...inSteps)).toBeLessThanOrEqual(1)
    expect(Math.max(...inSteps)).toBeGreaterThan(0.9)
  })

  it('q8 give each number the nearest code', () => {
    const column = tensor(
      'float32',
      [1001, 1],
      Float32Array.from({ length: 1001 }, (_, i) => (i / 1000) ** 2),
    )
    const values = restored('q8', { column })('column')
    const codes = Array.from({ length: 128 }, (_, c) => c ** 2 * Math.fround(1 / 127 ** 2))
    const nearest = column.data.map((x) => Math.min(...codes.map((value) => Math.abs(value - x))))
    values.forEach((value, i) => {
      expect(Math.abs(value - column.data[i]!)).toBeCloseTo(nearest[i]!, 9)
    })
  })

  it('fp16 keep eleven bits of each weight, down to 2^-14 of the largest of their column', () => {
    for (const { relative, exact, column } of errors('fp16').filter((error) => normal(error.column))) {
      expect(relative).toBeLessThanOrEqual(Math.max(Math.abs(exact) / largest[column]! / 2 ** 11, 2 ** -25))
    }
  })

  it.each(storageTypes)('%s leave zeros zero, and make nothing infinite of the largest and least numbers', (dtype) => {
    const values = restored(dtype)('matrix')
    expect([...values].every(Number.isFinite)).toBe(true)
    expect([...values].filter((_, i) => columns[i % columns.length] === 0).every((value) => value === 0)).toBe(true)
  })

  it.each(storageTypes)('%s of negative weights are the negatives', (dtype) => {
    const negative = { ...matrix, data: matrix.data.map((x) => -x) }
    const given = restored(dtype, { matrix })('matrix')
    expect([...restored(dtype, { matrix: negative })('matrix')].map((x) => 0 - x)).toEqual([...given].map((x) => x + 0))
  })

  it.each(['fp16', 'q8'] as const)('%s in a column is the same, whatever the others hold', (dtype) => {
    const pick = tensor(
      'float32',
      [rowCount, 1],
      matrix.data.filter((_, i) => i % columns.length === 0),
    )
    const alone = restored(dtype, { pick })('pick')
    expect(alone).toEqual(restored(dtype)('matrix').filter((_, i) => i % columns.length === 0))
  })

  it('of vectors are float32; matrices take one byte or two an element, and four a column', () => {
    const bytes = (dtype: (typeof storageTypes)[number]): Record<string, number> =>
      Object.fromEntries(Object.entries(storedTensors(storeWeights(weights, dtype))).map(([name, { data }]) => [name, data.byteLength]))
    const scales = { 'matrix/scale': 28, 'row/scale': 20, 'column/scale': 4 }
    expect(bytes('q8')).toEqual({ matrix: 280, bias: 36, row: 5, column: 5, ...scales })
    expect(bytes('fp16')).toEqual({ matrix: 560, bias: 36, row: 10, column: 10, ...scales })
    expect(storeWeights(weights, 'q8').bias).toBe(weights.bias)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('%d is refused: no code can show it', (broken) => {
    const given = { weight: { ...matrix, data: matrix.data.map((x, i) => (i === 10 ? broken : x)) } }
    for (const dtype of ['fp16', 'q8'] as const) {
      expect(() => storeWeights(given, dtype)).toThrow(`weights "weight": expected finite numbers, got ${Math.abs(broken)}`)
    }
  })
})

it.each(storageTypes)('%s mean the same to ONNX Runtime, from a file of weights, and to the interpreter, from that file', async (dtype) => {
  const stored = storeWeights({ ...weights, matrix: draws([30, 20]) }, dtype)
  const folder = mkdtempSync(join(tmpdir(), 'niceflow-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = layoutWeights(storedTensors(stored), 'weights.bin')
  const bytes = Buffer.concat(file.chunks)
  const path = join(folder, 'values.onnx')
  writeFileSync(join(folder, 'weights.bin'), bytes)
  writeFileSync(path, encodeModel({ graph: valuesGraph(stored), metadata: {} }, file))
  const readExternal = (_: string, offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length)
  const { graph } = decodeModel(encodeModel({ graph: valuesGraph(stored), metadata: {} }, file), { source: path, readExternal })
  const expected = evaluate(graph, { zero })
  for (const [name, { data }] of Object.entries(await runOnnxRuntime(path, { zero }))) {
    /** The product of a code and its scale, rounded to float32. */
    const rounding = 2 ** -24
    data.forEach((value, i) => {
      expect(Math.abs(value - expected[name]!.data[i]!)).toBeLessThanOrEqual(rounding * Math.abs(value))
    })
  }
})

describe('stored weights that are read back', () => {
  it.each(storageTypes)('are what was stored: %s', (dtype) => {
    const stored = storeWeights(weights, dtype)
    expect(storedWeights(storedTensors(stored), Object.keys(weights))).toEqual(stored)
  })

  it('are named where they are missing or of another kind', () => {
    const { matrix: _, ...rest } = storedTensors(storeWeights(weights, 'q8'))
    expect(() => storedWeights(rest, ['bias', 'matrix'])).toThrow('stored weights: expected "matrix", got none of that name')
    expect(() => storedWeights({ ...rest, bias: tensor('int64', [9]) }, ['bias'])).toThrow(
      'weights "bias": expected float32, float16 or int8, got int64',
    )
  })
})
