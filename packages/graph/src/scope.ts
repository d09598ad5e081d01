import type { Tensor } from '@niceflow/core'
import { DuplicateNameError, ShapeMismatchError, UnknownValueError } from './errors.ts'
import type { Node, Shape, Value } from './ir.ts'
import { arity, type OpType } from './operators.ts'
import { type OutputType, type ShapeContext, shapeRules } from './shape-rules.ts'

/** The values that a node can see: those of its graph and, inside a body, those of the graphs around it. */
export class Scope {
  readonly #values = new Map<string, Value>()
  readonly #constants = new Map<string, Tensor>()
  readonly #producers = new Map<string, Node>()
  readonly graph: string
  readonly outer: Scope | undefined

  constructor(graph: string, outer?: Scope) {
    this.graph = graph
    this.outer = outer
  }

  find(name: string): Value | undefined {
    return this.#values.get(name) ?? this.outer?.find(name)
  }

  constant(name: string): Tensor | undefined {
    return this.#values.has(name) ? this.#constants.get(name) : this.outer?.constant(name)
  }

  producer(name: string): Node | undefined {
    return this.#values.has(name) ? this.#producers.get(name) : this.outer?.producer(name)
  }

  /** @throws DuplicateNameError when the name is taken here or outside: ONNX forbids bodies to shadow. */
  define(value: Value, { constant, producer }: { constant?: Tensor; producer?: Node } = {}): Value {
    if (this.find(value.name)) throw new DuplicateNameError(this.graph, value.name)
    this.#values.set(value.name, value)
    if (constant) this.#constants.set(value.name, constant)
    if (producer) this.#producers.set(value.name, producer)
    return value
  }

  /** The integers that a value holds, where they are known: a constant's, or the shape that `Shape` returns. */
  dimensions(name: string): Shape | undefined {
    const constant = this.constant(name)
    if (constant) return Array.from(constant.data as ArrayLike<number | bigint>, Number)
    const producer = this.producer(name)
    return producer?.op === 'Shape' ? this.find(producer.inputs[0]!)?.dims : undefined
  }

  /**
   * Checks a node against its operator's arity and shape rule, and defines its outputs.
   * @throws UnknownValueError, ShapeMismatchError, DuplicateNameError naming the node, the values and their shapes
   */
  add(node: Node): readonly Value[] {
    const where = `${node.op} "${node.name}"`
    const inputs = node.inputs.map((name) => (name === '' ? undefined : this.#seen(name, where)))
    const { min, max } = arity[node.op]
    const present = inputs.findLastIndex((value) => value !== undefined) + 1
    if (present < min || present > max) {
      throw new ShapeMismatchError({
        node: where,
        expected: min === max ? `${min} inputs` : `${min} to ${max} inputs`,
        got: String(present),
      })
    }
    const types = inferTypes(node, inputs, this)
    if (types.length !== node.outputs.length)
      throw new ShapeMismatchError({ node: where, expected: `${types.length} outputs`, got: String(node.outputs.length) })
    return types.map((type, i) => this.define({ name: node.outputs[i]!, dtype: type.dtype, dims: type.dims }, { producer: node }))
  }

  #seen(name: string, where: string): Value {
    const value = this.find(name)
    if (!value) throw new UnknownValueError(`graph "${this.graph}": ${where}`, name)
    return value
  }
}

/** The types of a node's outputs, by its operator's rule. */
export function inferTypes(node: Node, inputs: readonly (Value | undefined)[], scope: Scope): readonly OutputType[] {
  const context: ShapeContext = {
    node,
    inputs,
    constant: (input) => (node.inputs[input] ? scope.constant(node.inputs[input]) : undefined),
    dimensions: (input) => (node.inputs[input] ? scope.dimensions(node.inputs[input]) : undefined),
  }
  return (shapeRules[node.op] as (context: ShapeContext<OpType>) => readonly OutputType[])(context)
}
