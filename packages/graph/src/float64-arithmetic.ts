import { elementwise, type Float64Kernels, type Float64Value, integers, reduce } from './float64-arrays.ts'
import { matmul } from './float64-matmul.ts'
import type { MovementOp } from './float64-movement.ts'
import type { OpType } from './operators.ts'

/** The operators that do more than work number by number. */
type SpecialOp = 'Cast' | 'Clip' | 'Div' | 'Gemm' | 'HardSigmoid' | 'LeakyRelu' | 'MatMul' | 'ReduceMax' | 'ReduceMean' | 'ReduceSum'
type ScalarOp = Exclude<OpType, SpecialOp | MovementOp | 'Loop' | 'Scan'>

/** The operators that work number by number. */
const scalarFunctions: { readonly [Op in ScalarOp]: (a: number, b: number, c: number) => number } = {
  Abs: Math.abs,
  Add: (a, b) => a + b,
  Exp: Math.exp,
  Floor: Math.floor,
  Greater: (a, b) => Number(a > b),
  Less: (a, b) => Number(a < b),
  Log: Math.log,
  Max: (a, b) => Math.max(a, b),
  Min: (a, b) => Math.min(a, b),
  Mul: (a, b) => a * b,
  Neg: (a) => -a,
  // IEEE 754 says that 1 to any power, even NaN, is 1.
  Pow: (a, b) => (a === 1 ? 1 : a ** b),
  Reciprocal: (a) => 1 / a,
  Relu: (a) => Math.max(a, 0),
  // exp is only taken of numbers below zero, so that neither side overflows nor loses its small values.
  Sigmoid: (a) => (a >= 0 ? 1 / (1 + Math.exp(-a)) : Math.exp(a) / (1 + Math.exp(a))),
  Sign: Math.sign,
  Softplus: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
  Sqrt: Math.sqrt,
  Sub: (a, b) => a - b,
  Tanh: Math.tanh,
  Where: (condition, a, b) => (condition ? a : b),
}

const scalarKernels = Object.fromEntries(
  Object.entries(scalarFunctions).map(([op, f]) => [op, (inputs: readonly Float64Value[]) => [elementwise(f, ...inputs)]]),
) as unknown as Float64Kernels<ScalarOp>

/** An attribute of ONNX's type float, which has 32 bits. */
const float = Math.fround

const add = (a: number, b: number): number => a + b

/** The operators that do arithmetic. */
export const arithmeticKernels: Float64Kernels<ScalarOp | SpecialOp> = {
  ...scalarKernels,
  // Float types keep all the digits that they have; integers drop their fraction.
  Cast: ([x], { to }) => {
    if (to === 'bool') return [{ ...elementwise((value) => Number(value !== 0), x!), integer: false }]
    return [to.startsWith('float') ? { ...x!, integer: false } : { ...elementwise(Math.trunc, x!), integer: true }]
  },
  Clip: ([x, min, max]) => {
    const low = min?.data[0] ?? Number.NEGATIVE_INFINITY
    const high = max?.data[0] ?? Number.POSITIVE_INFINITY
    return [elementwise((value) => Math.min(Math.max(value, low), high), x!)]
  },
  Div: ([a, b]) => [elementwise(a!.integer ? (x, y) => Math.trunc(x / y) : (x, y) => x / y, a!, b!)],
  Gemm: ([a, b, c], { alpha = 1, beta = 1, transA, transB }) => {
    const product = matmul(a!, b!, transA === 1, transB === 1)
    const [scale, share] = [float(alpha), float(beta)]
    if (!c) return [scale === 1 ? product : elementwise((x) => scale * x, product)]
    return [elementwise((x, y) => scale * x + share * y, product, c)]
  },
  HardSigmoid: ([x], { alpha = 0.2, beta = 0.5 }) => {
    const [slope, centre] = [float(alpha), float(beta)]
    return [elementwise((value) => Math.max(0, Math.min(1, slope * value + centre)), x!)]
  },
  LeakyRelu: ([x], { alpha = 0.01 }) => {
    const slope = float(alpha)
    return [elementwise((value) => (value < 0 ? slope * value : value), x!)]
  },
  MatMul: ([a, b]) => [matmul(a!, b!)],
  ReduceMax: ([x], { axes, keepdims = 1 }) => [reduce(x!, axes, keepdims, Number.NEGATIVE_INFINITY, (a, b) => Math.max(a, b))],
  ReduceMean: ([x], { axes, keepdims = 1 }) => {
    const totals = reduce(x!, axes, keepdims, 0, add)
    const count = x!.data.length / totals.data.length
    return [elementwise((total) => (x!.integer ? Math.trunc(total / count) : total / count), totals)]
  },
  ReduceSum: ([x, axes], { keepdims = 1 }) => [reduce(x!, axes && integers(axes), keepdims, 0, add)],
}
