import { NiceflowError } from '@niceflow/core'

/** A graph that ONNX would refuse. The message names the node and the shapes. */
export class GraphError extends NiceflowError {
  override readonly name: string = 'GraphError'
}

export class UnknownValueError extends GraphError {
  override readonly name = 'UnknownValueError'
  constructor(where: string, value: string) {
    super(`${where}: unknown value "${value}"`)
  }
}

export class DuplicateNameError extends GraphError {
  override readonly name = 'DuplicateNameError'
  constructor(graph: string, value: string) {
    super(`graph "${graph}": the name "${value}" is given twice`)
  }
}

export class CycleError extends GraphError {
  override readonly name = 'CycleError'
  constructor(graph: string, nodes: readonly string[]) {
    super(`graph "${graph}": nodes feed one another in a cycle: ${nodes.join(' -> ')}`)
  }
}

export class ShapeMismatchError extends GraphError {
  override readonly name = 'ShapeMismatchError'
  constructor({ node, expected, got }: { node: string; expected: string; got: string }) {
    super(`${node}: expected ${expected}, got ${got}`)
  }
}

export class NotDifferentiableError extends GraphError {
  override readonly name = 'NotDifferentiableError'
  constructor(node: string, why: string) {
    super(`${node}: has no gradient: ${why}`)
  }
}

export class UnsupportedModelError extends GraphError {
  override readonly name = 'UnsupportedModelError'
}
