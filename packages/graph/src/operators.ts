import type { DataType, Tensor } from '@niceflow/core'
import type { Graph, Value } from './ir.ts'

/** What a builder takes for an input: a value, a number (a scalar of the other operands' type, or an int64 index) or a list of integers (int64, one axis). */
export type Operand = Value | number | readonly number[]

type None = Readonly<Record<never, never>>
type Flag = 0 | 1
type Unary = { inputs: [x: Operand]; attributes: None }
type Binary = { inputs: [a: Operand, b: Operand]; attributes: None }

/**
 * The closed list of operators: every node of every graph is one of these, with these inputs and attributes, named and meant as in the ONNX
 * specification of opset 17 (https://github.com/onnx/onnx/blob/main/docs/Operators.md). The tables of shape rules, gradient rules and kernels
 * are total over it: an operator without one of them does not compile.
 */
export type Operators = {
  Abs: Unary
  Add: Binary
  Cast: { inputs: [x: Operand]; attributes: { readonly to: DataType } }
  Clip: { inputs: [x: Operand, min?: Operand, max?: Operand]; attributes: None }
  Concat: { inputs: [...values: Operand[]]; attributes: { readonly axis: number } }
  ConstantOfShape: { inputs: [shape: Operand]; attributes: { readonly value?: Tensor } }
  Div: Binary
  Exp: Unary
  Expand: { inputs: [x: Operand, shape: Operand]; attributes: None }
  Floor: Unary
  Gather: { inputs: [x: Operand, indices: Operand]; attributes: { readonly axis?: number } }
  Gemm: {
    inputs: [a: Operand, b: Operand, c?: Operand]
    attributes: { readonly alpha?: number; readonly beta?: number; readonly transA?: Flag; readonly transB?: Flag }
  }
  Greater: Binary
  HardSigmoid: { inputs: [x: Operand]; attributes: { readonly alpha?: number; readonly beta?: number } }
  Identity: Unary
  LeakyRelu: { inputs: [x: Operand]; attributes: { readonly alpha?: number } }
  Less: Binary
  Log: Unary
  Loop: { inputs: [tripCount: Operand, condition: Operand, ...carried: Operand[]]; attributes: { readonly body: Graph } }
  MatMul: Binary
  Max: Binary
  Min: Binary
  Mul: Binary
  Neg: Unary
  Pow: Binary
  Reciprocal: Unary
  ReduceMax: { inputs: [x: Operand]; attributes: { readonly axes?: readonly number[]; readonly keepdims?: Flag } }
  ReduceMean: { inputs: [x: Operand]; attributes: { readonly axes?: readonly number[]; readonly keepdims?: Flag } }
  ReduceSum: { inputs: [x: Operand, axes?: Operand]; attributes: { readonly keepdims?: Flag } }
  Relu: Unary
  Reshape: { inputs: [x: Operand, shape: Operand]; attributes: None }
  Scan: { inputs: [...values: Operand[]]; attributes: { readonly body: Graph; readonly num_scan_inputs: number } }
  ScatterElements: {
    inputs: [x: Operand, indices: Operand, updates: Operand]
    attributes: { readonly axis?: number; readonly reduction?: 'none' | 'add' }
  }
  Shape: Unary
  Sigmoid: Unary
  Sign: Unary
  Size: Unary
  Slice: { inputs: [x: Operand, starts: Operand, ends: Operand, axes?: Operand, steps?: Operand]; attributes: None }
  Softplus: Unary
  Split: { inputs: [x: Operand, sizes: Operand]; attributes: { readonly axis?: number } }
  Sqrt: Unary
  Squeeze: { inputs: [x: Operand, axes: Operand]; attributes: None }
  Sub: Binary
  Tanh: Unary
  Transpose: { inputs: [x: Operand]; attributes: { readonly perm?: readonly number[] } }
  Unsqueeze: { inputs: [x: Operand, axes: Operand]; attributes: None }
  Where: { inputs: [condition: Operand, x: Operand, y: Operand]; attributes: None }
}

export type OpType = keyof Operators
export type Attributes<Op extends OpType> = Operators[Op]['attributes']

/** How many inputs an operator takes. */
export type Arity = { readonly min: number; readonly max: number }

const exactly = (n: number): Arity => ({ min: n, max: n })
const between = (min: number, max: number): Arity => ({ min, max })

export const arity: { readonly [Op in OpType]: Arity } = {
  Abs: exactly(1),
  Add: exactly(2),
  Cast: exactly(1),
  Clip: between(1, 3),
  Concat: between(1, Number.POSITIVE_INFINITY),
  ConstantOfShape: exactly(1),
  Div: exactly(2),
  Exp: exactly(1),
  Expand: exactly(2),
  Floor: exactly(1),
  Gather: exactly(2),
  Gemm: between(2, 3),
  Greater: exactly(2),
  HardSigmoid: exactly(1),
  Identity: exactly(1),
  LeakyRelu: exactly(1),
  Less: exactly(2),
  Log: exactly(1),
  Loop: between(2, Number.POSITIVE_INFINITY),
  MatMul: exactly(2),
  Max: exactly(2),
  Min: exactly(2),
  Mul: exactly(2),
  Neg: exactly(1),
  Pow: exactly(2),
  Reciprocal: exactly(1),
  ReduceMax: exactly(1),
  ReduceMean: exactly(1),
  ReduceSum: between(1, 2),
  Relu: exactly(1),
  Reshape: exactly(2),
  Scan: between(1, Number.POSITIVE_INFINITY),
  ScatterElements: exactly(3),
  Shape: exactly(1),
  Sigmoid: exactly(1),
  Sign: exactly(1),
  Size: exactly(1),
  Slice: between(3, 5),
  Softplus: exactly(1),
  Split: exactly(2),
  Sqrt: exactly(1),
  Squeeze: exactly(2),
  Sub: exactly(2),
  Tanh: exactly(1),
  Transpose: exactly(1),
  Unsqueeze: exactly(2),
  Where: exactly(3),
}

export function isOperator(name: string): name is OpType {
  return Object.hasOwn(arity, name)
}

type AttributeKind = 'float' | 'int' | 'ints' | 'string' | 'type' | 'tensor' | 'graph'

/** Attributes of one name mean the same wherever they stand; this is what each holds. */
export const attributeKinds: { readonly [A in AttributeName]: AttributeKind } = {
  alpha: 'float',
  axes: 'ints',
  axis: 'int',
  beta: 'float',
  body: 'graph',
  keepdims: 'int',
  num_scan_inputs: 'int',
  perm: 'ints',
  reduction: 'string',
  to: 'type',
  transA: 'int',
  transB: 'int',
  value: 'tensor',
}

type KeysOf<T> = T extends unknown ? keyof T : never
export type AttributeName = KeysOf<Operators[OpType]['attributes']>
