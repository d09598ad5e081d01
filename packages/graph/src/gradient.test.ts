import { type Tensor, tensor } from '@niceflow/core'
import { describe, expect, it } from 'vitest'
import { buildGraph } from './builder.ts'
import { type OperatorCase, operatorCases } from './cases.test-data.ts'
import { operators, targetGraph } from './differentiable.test-data.ts'
import { NotDifferentiableError } from './errors.ts'
import { evaluate, float64Value } from './float64.ts'
import { gradient } from './gradient.ts'
import type { OpType } from './operators.ts'

/** Operators that gradients do not pass; asking for one says so. */
const barred: readonly OpType[] = ['Loop', 'Scan', 'ScatterElements']

/** Half the distance of a central difference: its error, about h^2 = 1e-8 times a third derivative, meets rounding, 1e-16 / h. */
const step = 1e-4
/** Central differences with that step of functions whose derivatives stay below about 30 on the drawn inputs. */
const differenceTolerance = 1e-6

describe.each(operators.filter((op) => !barred.includes(op)))('the gradient of %s', (op) => {
  it.each<OperatorCase>([...operatorCases[op]])('equals central differences, case %#', (operatorCase) => {
    const { graph, wrt } = targetGraph(op, operatorCase)
    const feeds = Object.fromEntries(graph.inputs.map(({ name }) => [name, float64Value(operatorCase.inputs[Number(name.slice(1))]!)]))
    const target = (): number => evaluate(graph, feeds).target!.data[0]!
    const gradients = evaluate(gradient(graph, { of: 'target', wrt }), feeds)
    for (const name of wrt) {
      const { data } = feeds[name]!
      const computed = gradients[`gradient/${name}`]!
      expect(computed.dims).toEqual(feeds[name]!.dims)
      for (let i = 0; i < data.length; i++) {
        const kept = data[i]!
        data[i] = kept + step
        const above = target()
        data[i] = kept - step
        const below = target()
        data[i] = kept
        expect(Math.abs(computed.data[i]! - (above - below) / (2 * step)), `${name}[${i}]`).toBeLessThan(differenceTolerance)
      }
    }
  })
})

describe('gradient', () => {
  it.each(barred)('refuses %s by name', (op) => {
    const { graph, wrt } = targetGraphOfFirst(op)
    expect(() => gradient(graph, { of: 'target', wrt })).toThrow(NotDifferentiableError)
    expect(() => gradient(graph, { of: 'target', wrt })).toThrow(/has no gradient/)
  })

  it('sums over every use of a value', () => {
    const g = buildGraph('uses')
    const x = g.input('x', 'float32', [2])
    g.output('target', g.ReduceSum(g.Add(g.Mul(x, x), g.Mul(x, 3)), undefined, { keepdims: 0 }))
    const { 'gradient/x': dx } = evaluate(gradient(g.build(), { of: 'target', wrt: ['x'] }), { x: vector(2, -1) })
    expect(Array.from(dx!.data)).toEqual([7, 1])
  })

  it('is zero where nothing depends', () => {
    const g = buildGraph('independent')
    const x = g.input('x', 'float32', ['batch', 2])
    const y = g.input('y', 'float32', [])
    g.output('target', g.Mul(y, y))
    g.output('used', g.Neg(x))
    const { 'gradient/x': dx } = evaluate(gradient(g.build(), { of: 'target', wrt: ['x'] }), {
      x: tensor('float32', [1, 2], Float32Array.of(5, 6)),
      y: scalar(3),
    })
    expect(dx).toMatchObject({ dims: [1, 2], data: Float64Array.of(0, 0) })
  })

  it('keeps the dynamic batch, whatever its size', () => {
    const g = buildGraph('batch')
    const x = g.input('x', 'float32', ['batch', 2])
    const b = g.input('b', 'float32', [2])
    g.output('target', g.ReduceMean(g.ReduceSum(g.Exp(g.Add(x, b)), [1], { keepdims: 0 }), { keepdims: 0 }))
    const backward = gradient(g.build(), { of: 'target', wrt: ['x', 'b'] })
    expect(backward.outputs.map(({ dims }) => dims)).toEqual([[], ['batch', 2], [2]])
    for (const rows of [1, 3]) {
      const { 'gradient/b': db } = evaluate(backward, { x: tensor('float32', [rows, 2]), b: vector(0, 0) })
      expect(Array.from(db!.data)).toEqual([1, 1])
    }
  })

  it('does not flow through integers', () => {
    const g = buildGraph('rounded')
    const x = g.input('x', 'float32', [2])
    g.output('target', g.ReduceSum(g.Mul(g.Cast(g.Cast(x, { to: 'int32' }), { to: 'float32' }), 3.7), [], { keepdims: 0 }))
    const { 'gradient/x': dx } = evaluate(gradient(g.build(), { of: 'target', wrt: ['x'] }), { x: vector(2.5, -1.5) })
    expect(Array.from(dx!.data)).toEqual([0, 0])
  })

  it('refuses a target that is not one float', () => {
    const g = buildGraph('wide')
    g.output('target', g.Exp(g.input('x', 'float32', [3])))
    expect(() => gradient(g.build(), { of: 'target', wrt: ['x'] })).toThrow(
      'gradient of "target": expected a single float, got float32 [3]',
    )
  })
})

function targetGraphOfFirst(op: OpType): ReturnType<typeof targetGraph> {
  if (op !== 'Loop' && op !== 'Scan') return targetGraph(op, operatorCases[op][0]!)
  const g = buildGraph(op)
  const x = g.input('x', 'float32', [2, 3])
  const result =
    op === 'Loop'
      ? g.Loop({ steps: 2, carried: [x], body: (body, _, [v]) => ({ carried: [body.Tanh(v!)] }) }).carried[0]!
      : g.Scan({ scanned: [x], body: (body, _, [row]) => ({ carried: [], stacked: [body.Tanh(row!)] }) }).stacked[0]!
  g.output('target', g.ReduceSum(result, undefined, { keepdims: 0 }))
  return { graph: g.build(), wrt: ['x'], weights: [] }
}

const vector = (...values: number[]): Tensor => tensor('float32', [values.length], Float32Array.from(values))
const scalar = (value: number): Tensor => tensor('float32', [], Float32Array.of(value))
