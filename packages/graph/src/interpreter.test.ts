import { type Tensor, tensor } from '@niceflow/core'
import { describe, expect, it } from 'vitest'
import { operatorCases } from './cases.test-data.ts'
import { evaluate, float64Kernels } from './float64.ts'
import type { Float64Value } from './float64-arrays.ts'
import { interpret, type Kernel, type KernelTable, oncePerTensor } from './interpreter.ts'
import type { Graph, Node, Value } from './ir.ts'
import { type IterationPrimitives, iterationKernels } from './iteration.ts'
import { caseGraph } from './onnxruntime.test-data.ts'
import type { OpType } from './operators.ts'

const value = (name: string, dims: Value['dims'] = [], dtype: Value['dtype'] = 'float32'): Value => ({ name, dtype, dims })
const scalar = (x: number): Float64Value => ({ dims: [], data: Float64Array.of(x) })
const constant = (x: number): Tensor => tensor('float32', [], Float32Array.of(x))
const node = (op: OpType, inputs: string[], output: string, attributes: object = {}): Node =>
  ({ op, name: output, inputs, outputs: [output], attributes }) as unknown as Node

/** A handle of a value that must be released once, as those of engines that count references. */
type Handle = { readonly value: Float64Value; owner: 'table' | 'caller' | 'nobody' }

/** Float64 kernels on handles: using or releasing a dead handle throws, and `live` counts those that nobody released yet. */
function countingTable(): { table: KernelTable<Handle>; wrap: (value: Float64Value) => Handle; live: Set<Handle> } {
  const live = new Set<Handle>()
  const wrap = (made: Float64Value): Handle => {
    const handle: Handle = { value: made, owner: 'caller' }
    live.add(handle)
    return handle
  }
  const read = (handle: Handle): Float64Value => {
    if (handle.owner === 'nobody') throw new Error('a value is used after its release')
    return handle.value
  }
  const release = (handle: Handle): void => {
    if (!live.delete(handle)) throw new Error(handle.owner === 'table' ? 'a constant is released' : 'a value is released twice')
    handle.owner = 'nobody'
  }
  const primitives: IterationPrimitives<Handle> = {
    number: (handle) => read(handle).data[0]!,
    scalar: (x) => wrap(scalar(x)),
    copy: (handle) => wrap(read(handle)),
    length: (handle) => read(handle).dims[0]!,
    row: (handle, i) => wrap({ dims: read(handle).dims.slice(1), data: read(handle).data.slice(i, i + 1) }),
    stack: (rows) => wrap({ dims: [rows.length], data: Float64Array.from(rows, (row) => read(row).data[0]!) }),
    release,
  }
  const plain = Object.entries(float64Kernels.kernels).map(([op, kernel]) => {
    const run = kernel as Kernel<Float64Value, 'Add'>
    const counted: Kernel<Handle, 'Add'> = (inputs, attributes) => {
      return run(
        inputs.map((handle) => handle && read(handle)),
        attributes,
        () => [],
      ).map(wrap)
    }
    return [op, counted]
  })
  const kernels = { ...Object.fromEntries(plain), ...iterationKernels(primitives) } as KernelTable<Handle>['kernels']
  const constants = oncePerTensor<Handle>((contents) => ({ value: float64Kernels.constant(contents), owner: 'table' }))
  return { table: { constant: constants, release, kernels }, wrap, live }
}

function runCounted(
  graph: Graph,
  feeds: Readonly<Record<string, number>>,
): { outputs: Record<string, Handle>; given: Handle[]; live: Set<Handle> } {
  const { table, wrap, live } = countingTable()
  const handles = Object.fromEntries(Object.entries(feeds).map(([name, x]) => [name, wrap(scalar(x))]))
  return { outputs: interpret(graph, handles, table), given: Object.values(handles), live }
}

const chain: Graph = {
  name: 'chain',
  inputs: [value('x'), value('unused')],
  outputs: [value('y'), value('x'), value('two'), value('y_again')],
  initializers: { two: constant(2) },
  nodes: [
    node('Mul', ['x', 'two'], 'double'),
    node('Exp', ['double'], 'nobody_asked'),
    node('Add', ['double', 'double'], 'y'),
    node('Identity', ['y'], 'y_again'),
  ],
}

/** Three turns of v <- v * outer + turn, where `outer` and `two` come from the graph around it; stacks v * two. */
const nested: Graph = {
  name: 'nested',
  inputs: [value('x')],
  outputs: [value('last'), value('stacked', [3])],
  initializers: { two: constant(2), trips: tensor('int64', [], BigInt64Array.of(3n)) },
  nodes: [
    node('Add', ['x', 'two'], 'outer'),
    {
      op: 'Loop',
      name: 'loop',
      inputs: ['trips', '', 'x'],
      outputs: ['last', 'stacked'],
      attributes: {
        body: {
          name: 'body',
          inputs: [value('turn', [], 'int64'), value('go', [], 'bool'), value('v')],
          outputs: [value('go_on', [], 'bool'), value('next'), value('row')],
          initializers: { one: constant(1) },
          nodes: [
            node('Identity', ['go'], 'go_on'),
            node('Cast', ['turn'], 'number', { to: 'float32' }),
            node('Mul', ['v', 'outer'], 'scaled'),
            node('Add', ['scaled', 'number'], 'next'),
            node('Div', ['next', 'one'], 'same'),
            node('Mul', ['same', 'two'], 'row'),
          ],
        },
      },
    },
  ],
}

describe('ownership', () => {
  it('every value that nodes make is released once, after its last use, and only outputs remain', () => {
    const { outputs, given, live } = runCounted(chain, { x: 3, unused: 1 })
    expect(outputs.y!.value.data[0]).toBe(12)
    expect(live).toEqual(new Set([...given, ...Object.values(outputs)]))
  })

  it('outputs that are feeds, constants or another output are handles of their own', () => {
    const { outputs, given } = runCounted(chain, { x: 3, unused: 1 })
    expect(Object.values(outputs).map(({ value: { data } }) => data[0])).toEqual([12, 3, 2, 12])
    expect(new Set([...Object.values(outputs), ...given]).size).toBe(6)
  })

  it('bodies see the graph around them, and leave nothing behind', () => {
    const { outputs, given, live } = runCounted(nested, { x: 1 })
    expect(outputs.last!.value.data[0]).toBe(((1 * 3 + 0) * 3 + 1) * 3 + 2)
    expect([...outputs.stacked!.value.data]).toEqual([6, 20, 64])
    expect(live).toEqual(new Set([...given, ...Object.values(outputs)]))
  })

  it.each(operatorCases.Loop.filter(({ inputs }) => inputs[2]?.dims.length === 0).map((example) => [example]))(
    'a Loop of the cases too',
    (example) => {
      const { graph, feeds } = caseGraph('Loop', example)
      const { outputs, given, live } = runCounted(graph, { x2: feeds.x2!.data[0] as number })
      expect(outputs.y1!.value).toMatchObject({ data: evaluate(graph, feeds).y1!.data })
      expect(live).toEqual(new Set([...given, ...Object.values(outputs)]))
    },
  )

  it('a run that fails releases what it had made', () => {
    const { table, wrap, live } = countingTable()
    const x = wrap({ dims: [2], data: Float64Array.of(1, 2) })
    const failing: Graph = { ...chain, inputs: [value('x')], nodes: [...chain.nodes, node('Gather', ['y', 'two'], 'missing')] }
    expect(() => interpret(failing, { x }, table)).toThrow(
      'graph "chain": Gather "missing": indices: expected integers from -2 to 1, got 2',
    )
    expect(live).toEqual(new Set([x]))
  })

  it('and so does a body that fails on its second turn', () => {
    const { table, wrap, live } = countingTable()
    const x = wrap({ dims: [2], data: Float64Array.of(1, 2) })
    const [loop] = nested.nodes.slice(-1) as Node<'Loop'>[]
    const { body } = loop!.attributes
    const picking = { ...body, nodes: [...body.nodes, node('Mul', ['turn', 'two'], 'at'), node('Gather', ['x', 'at'], 'picked')] }
    const failing = { ...nested, nodes: [nested.nodes[0]!, { ...loop!, attributes: { body: picking } }] }
    expect(() => interpret(failing, { x }, table)).toThrow(
      'Loop "loop": graph "body": Gather "picked": indices: expected integers from -2 to 1, got 2',
    )
    expect(live).toEqual(new Set([x]))
  })

  it('a constant is converted once, however often it is used', () => {
    let conversions = 0
    const table: KernelTable<Float64Value> = {
      ...float64Kernels,
      constant: oncePerTensor((contents) => {
        conversions++
        return float64Kernels.constant(contents)
      }),
    }
    for (let run = 0; run < 3; run++) interpret(nested, { x: scalar(1) }, table)
    expect(conversions).toBe(3)
  })
})

describe('feeds', () => {
  it('must be there', () => {
    expect(() => interpret(chain, { x: scalar(1) }, float64Kernels)).toThrow(
      'feeds of graph "chain": expected a value for "unused", got none',
    )
  })

  it('must be inputs of the graph', () => {
    expect(() => interpret(chain, { x: scalar(1), unused: scalar(1), z: scalar(1) }, float64Kernels)).toThrow(
      'feeds of graph "chain": expected inputs x, unused, got "z"',
    )
  })
})

it("an error in a body names the way to its node, and keeps the kernel's error as its cause", () => {
  const cause = new Error('out of registers')
  const table: KernelTable<Float64Value> = {
    ...float64Kernels,
    kernels: {
      ...float64Kernels.kernels,
      Div: () => {
        throw cause
      },
    },
  }
  const failed = (() => {
    try {
      return interpret(nested, { x: scalar(1) }, table)
    } catch (error) {
      return error as Error
    }
  })() as Error
  expect(failed.message).toBe('graph "nested": Loop "loop": graph "body": Div "same": out of registers')
  expect((failed.cause as Error).cause).toBe(cause)
})
