import { tfjsKernels } from '@niceflow/engine'
import { evaluate, interpret, type OpType } from '@niceflow/graph'
import * as tf from '@tensorflow/tfjs'
import { describe, expect, it } from 'vitest'
import { placed, type TfjsValue } from '../packages/engine/src/tfjs-value.ts'
import { operatorCases } from '../packages/graph/src/cases.test-data.ts'
import { caseGraph } from '../packages/graph/src/onnxruntime.test-data.ts'

/** Float32 sums, products and powers of a handful of terms, relative where these are large: some roundings of 2^-23 each. */
const float32Tolerance = 1e-5

await tf.setBackend('cpu')
const table = tfjsKernels(tf)

const numbersOf = ({ tensor, host }: TfjsValue): { dims: readonly number[]; data: Float64Array } =>
  tensor ? { dims: tensor.shape, data: Float64Array.from(tensor.dataSync()) } : { dims: host!.dims, data: host!.data }

describe('every operator on TensorFlow.js gives what the float64 reference gives, and leaves no tensor behind', () => {
  for (const op of Object.keys(operatorCases) as OpType[]) {
    it.each(operatorCases[op].map((example, i) => [i, example] as const))(`${op} %i`, (_, example) => {
      const { graph, feeds } = caseGraph(op, example)
      const expected = evaluate(graph, feeds)
      const run = (): void => {
        const values = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, placed(tf, tensor)]))
        const outputs = interpret(graph, values, table)
        for (const { name } of graph.outputs) {
          const [got, wanted] = [numbersOf(outputs[name]!), expected[name]!]
          expect(got.dims).toEqual(wanted.dims)
          const errors = wanted.data.map((value, i) => Math.abs(got.data[i]! - value) / Math.max(1, Math.abs(value)))
          expect(Math.max(0, ...errors)).toBeLessThanOrEqual(float32Tolerance)
        }
        for (const value of [...Object.values(values), ...Object.values(outputs)]) table.release(value)
      }
      // The first run makes the graph's constants, which stay.
      run()
      const { numTensors } = tf.memory()
      run()
      expect(tf.memory().numTensors).toBe(numTensors)
    })
  }
})

it('frees its constants in the end', () => {
  const { numTensors } = tf.memory()
  const own = tfjsKernels(tf)
  const { graph, feeds } = caseGraph('ReduceSum', operatorCases.ReduceSum[0]!)
  const values = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, placed(tf, tensor)]))
  const outputs = interpret(graph, values, own)
  for (const value of [...Object.values(values), ...Object.values(outputs)]) own.release(value)
  own.dispose()
  expect(tf.memory().numTensors).toBe(numTensors)
})
