import { tensor } from '@niceflow/core'
import { describe, expect, it } from 'vitest'
import { buildGraph, extendGraph } from './builder.ts'
import { checkGraph } from './check.ts'
import { evaluate } from './float64.ts'
import type { Graph, Node } from './ir.ts'

const vector = (...values: number[]) => tensor('float32', [values.length], Float32Array.from(values))

describe('a builder', () => {
  it('names nodes by their scope and operator, and outputs as asked', () => {
    const g = buildGraph('g')
    const x = g.input('x', 'float32', ['batch', 2])
    g.output(
      'y',
      g.scope('layer', () => g.Relu(g.Neg(x))),
    )
    expect(g.build().nodes).toMatchObject([
      { op: 'Neg', name: 'layer/Neg', inputs: ['x'], outputs: ['layer/Neg'] },
      { op: 'Relu', name: 'layer/Relu', inputs: ['layer/Neg'], outputs: ['y'] },
    ])
  })

  it('leaves out what no output needs', () => {
    const g = buildGraph('g')
    const x = g.input('x', 'float32', [2])
    g.Exp(g.Mul(x, 2))
    g.output('y', g.Neg(x))
    const { nodes, initializers } = g.build()
    expect(nodes.map(({ op }) => op)).toEqual(['Neg'])
    expect(initializers).toEqual({})
  })

  it('turns numbers into constants of the other operand type, once each', () => {
    const g = buildGraph('g')
    const x = g.input('x', 'float64', [2])
    g.output('y', g.Add(g.Mul(x, 2), g.Where(g.Greater(x, 2), 0, x)))
    const constants = Object.values(g.build().initializers)
    expect(constants.map(({ dtype, data }) => [dtype, data[0]])).toEqual([
      ['float64', 2],
      ['float64', 0],
    ])
  })

  it('gives one value several output names, and passes inputs through', () => {
    const g = buildGraph('g')
    const x = g.input('x', 'float32', [2])
    const y = g.Neg(x)
    for (const [name, value] of [
      ['a', y],
      ['b', y],
      ['c', x],
    ] as const)
      g.output(name, value)
    const { a, b, c } = evaluate(g.build(), { x: vector(1, 2) })
    expect([a, b, c].map((value) => Array.from(value!.data))).toEqual([
      [-1, -2],
      [-1, -2],
      [1, 2],
    ])
  })

  it('counts elements of unknown number through reshapes, there and back', () => {
    const g = buildGraph('g')
    const flat = g.Reshape(g.input('x', 'float32', [4, 'batch', 3]), [4, -1])
    expect(flat.dims).toEqual([4, 'batch*3'])
    expect(g.Reshape(flat, [2, -1, 6]).dims).toEqual([2, 'batch', 6])
    expect(g.Reshape(flat, [-1, 2]).dims).toEqual(['batch*6', 2])
    expect(() => g.Reshape(flat, [5, -1])).toThrow('expected as many elements as [4, batch*3]')
  })

  it('runs a body that uses values around it: Loop', () => {
    const g = buildGraph('g')
    const x = g.input('x', 'float32', [2])
    const factor = g.Add(x, 1)
    const { carried, stacked } = g.Loop({
      steps: 3,
      carried: [x],
      body: (body, iteration, [v]) => {
        const next = body.Mul(v!, factor)
        return { carried: [next], stacked: [body.Cast(iteration, { to: 'float32' })] }
      },
    })
    g.output('y', carried[0]!)
    g.output('seen', stacked[0]!)
    g.output('factor', factor)
    const graph = g.build()
    expect(graph.outputs[1]).toMatchObject({ dims: [3] })
    const { y, seen } = evaluate(graph, { x: vector(1, 2) })
    expect(Array.from(y!.data)).toEqual([8, 54])
    expect(Array.from(seen!.data)).toEqual([0, 1, 2])
  })

  it('runs a body over rows: Scan', () => {
    const g = buildGraph('g')
    const rows = g.input('rows', 'float32', [3, 2])
    const { carried, stacked } = g.Scan({
      carried: [g.ReduceSum(rows, [0], { keepdims: 0 })],
      scanned: [rows],
      body: (body, [sum], [row]) => ({ carried: [body.Sub(sum!, row!)], stacked: [body.Neg(row!)] }),
    })
    g.output('rest', carried[0]!)
    g.output('negated', stacked[0]!)
    const { rest, negated } = evaluate(g.build(), { rows: tensor('float32', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6)) })
    expect(Array.from(rest!.data)).toEqual([0, 0])
    expect(negated).toMatchObject({ dims: [3, 2], data: Float64Array.of(-1, -2, -3, -4, -5, -6) })
  })

  it('goes on from a finished graph', () => {
    const g = buildGraph('g')
    g.output('y', g.Exp(g.input('x', 'float32', [2])))
    const more = extendGraph(g.build())
    more.output('z', more.Exp(more.find('y')))
    expect(more.build().outputs.map(({ name }) => name)).toEqual(['y', 'z'])
  })
})

describe('names', () => {
  it('of a body are not given to what comes later', () => {
    const g = buildGraph('g')
    const x = g.input('x', 'float32', [1])
    const v = g.Neg(x)
    const { carried } = g.Loop({ steps: 2, carried: [x], body: (body, _, [c]) => ({ carried: [body.Add(body.Relu(c!), v)] }) })
    g.output('y', carried[0]!)
    expect(() => g.output('Relu', v)).toThrow('graph "g": the name "Relu" is given twice')
    const more = extendGraph(g.build())
    more.output('z', more.Relu(more.find('y')))
    expect(() => checkGraph(more.build())).not.toThrow()
    expect(Array.from(evaluate(more.build(), { x: vector(3) }).y!.data)).toEqual([-3])
  })

  it('of outputs are kept for them', () => {
    const g = buildGraph('g')
    const x = g.input('x', 'float32', [1])
    g.output('Add', g.Neg(x))
    g.output('y', g.Add(x, x))
    expect(Array.from(evaluate(g.build(), { x: vector(3) }).Add!.data)).toEqual([-3])
  })
})

describe('an invalid graph fails when it is built', () => {
  const g = () => buildGraph('bad')
  it.each([
    [
      'shapes',
      () => {
        const b = g()
        b.scope('coupling_2', () => b.MatMul(b.input('x', 'float32', ['batch', 784]), b.input('w', 'float32', [392, 1000])))
      },
      'MatMul "coupling_2/MatMul": expected inner dimensions that agree, got [batch, 784] x [392, 1000]',
    ],
    [
      'broadcasting',
      () => {
        const b = g()
        b.Add(b.input('x', 'float32', ['batch', 3]), b.input('y', 'float32', [4]))
      },
      'Add "Add": expected shapes that broadcast, got [batch, 3] and [4]',
    ],
    [
      'types',
      () => {
        const b = g()
        b.Add(b.input('x', 'float32', [3]), b.input('y', 'int64', [3]))
      },
      'Add "Add": expected one element type, float32, got int64 in "y"',
    ],
    [
      'names',
      () => {
        const b = g()
        b.input('x', 'float32', [1])
        b.input('x', 'float32', [2])
      },
      'graph "bad": the name "x" is given twice',
    ],
    [
      'strangers',
      () => g().Neg(buildGraph('other').input('elsewhere', 'float32', [1])),
      'graph "bad": Neg "Neg": unknown value "elsewhere"',
    ],
    [
      'elements',
      () => {
        const b = g()
        b.Reshape(b.input('x', 'float32', [2, 3]), [4, 2])
      },
      'Reshape "Reshape": expected as many elements as [2, 3], got [4, 2]',
    ],
    [
      'two sizes left open',
      () => {
        const b = g()
        b.Reshape(b.input('x', 'float32', [2, 3]), [-1, -1])
      },
      'Reshape "Reshape": expected sizes, one of them -1 at most, got [-1, -1]',
    ],
    [
      'axes that are not there',
      () => {
        const b = g()
        b.Unsqueeze(b.input('x', 'float32', [2, 3]), [5])
      },
      'Unsqueeze "Unsqueeze": expected distinct axes of 3, got [5]',
    ],
    [
      'a slice that stands still',
      () => {
        const b = g()
        b.Slice(b.input('x', 'float32', [4]), [0], [4], [0], [0])
      },
      'Slice "Slice": expected steps other than 0, got [0]',
    ],
    [
      'carried values that change',
      () => {
        const b = g()
        b.Loop({ steps: 2, carried: [b.input('x', 'float32', [2])], body: (body, _, [x]) => ({ carried: [body.Unsqueeze(x!, [0])] }) })
      },
      'Loop "Loop": expected the carried value "x" to stay float32 [2], got float32 [1, 2]',
    ],
  ])('%s', (_, build, message) => {
    expect(build).toThrow(message)
  })
})

describe('a graph from outside is checked by the same rules', () => {
  const value = (name: string, dims: number[] = [2]) => ({ name, dtype: 'float32' as const, dims })
  const node = (op: string, inputs: string[], output: string): Node =>
    ({ op, name: output, inputs, outputs: [output], attributes: {} }) as unknown as Node
  const graph = (nodes: Node[], outputs = [value('y')]): Graph => ({ name: 'g', inputs: [value('x')], outputs, initializers: {}, nodes })

  it('puts nodes in order', () => {
    const checked = checkGraph(graph([node('Neg', ['h'], 'y'), node('Exp', ['x'], 'h')]))
    expect(checked.nodes.map(({ op }) => op)).toEqual(['Exp', 'Neg'])
  })

  it.each([
    [
      'a cycle',
      graph([node('Neg', ['y'], 'h'), node('Exp', ['h'], 'y')]),
      'graph "g": nodes feed one another in a cycle: "h" -> "y" -> "h"',
    ],
    ['an unknown value', graph([node('Neg', ['nowhere'], 'y')]), 'graph "g": Neg "y": unknown value "nowhere"'],
    ['an output that nothing makes', graph([]), 'graph "g": output: unknown value "y"'],
    ['a name given twice', graph([node('Neg', ['x'], 'y'), node('Exp', ['x'], 'y')]), 'graph "g": the name "y" is given twice'],
    ['too many inputs', graph([node('Neg', ['x', 'x'], 'y')]), 'Neg "y": expected 1 inputs, got 2'],
    [
      'an output of another shape',
      graph([node('Neg', ['x'], 'y')], [value('y', [3])]),
      'graph "g", output "y": expected float32 [3] as declared, got float32 [2]',
    ],
  ])('refuses %s', (_, bad, message) => {
    expect(() => checkGraph(bad)).toThrow(message)
  })
})

it('an index is an integer, whatever it indexes', () => {
  const g = buildGraph('g')
  const rows = g.input('rows', 'float32', [3, 2])
  g.output('row', g.Gather(rows, 1))
  const graph = g.build()
  expect(Object.values(graph.initializers)).toEqual([tensor('int64', [], BigInt64Array.of(1n))])
  expect(() => g.Gather(rows, g.constant('half', tensor('float32', [], Float32Array.of(0.5))))).toThrow(
    'expected integer indices, got float32',
  )
})
