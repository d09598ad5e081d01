import { sizeOf } from '@niceflow/core'
import { type Attributes, broadcastShapes, type OpType } from '@niceflow/graph'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Tensorflow } from './tfjs-value.ts'

/** Operators that take tensors of the device and give one. */
export type ArithmeticOp = Exclude<
  OpType,
  | 'Cast'
  | 'Concat'
  | 'ConstantOfShape'
  | 'Expand'
  | 'Gather'
  | 'Identity'
  | 'Loop'
  | 'ReduceSum'
  | 'Reshape'
  | 'Scan'
  | 'ScatterElements'
  | 'Shape'
  | 'Size'
  | 'Slice'
  | 'Split'
  | 'Squeeze'
  | 'Transpose'
  | 'Unsqueeze'
>

/** What an operator gives of its tensors; those left out are undefined. The caller frees what is made on the way. */
export type Arithmetic = { readonly [Op in ArithmeticOp]: (inputs: readonly Tensor[], attributes: Attributes<Op>) => Tensor }

const float = Math.fround

/** The arithmetic of TensorFlow.js under the names and rules of ONNX. */
export function arithmetic(tf: Tensorflow): Arithmetic {
  return {
    Abs: ([x]) => tf.abs(x!),
    Add: ([a, b]) => tf.add(a!, b!),
    Clip: ([x, min, max]) => {
      const raised = min ? tf.maximum(x!, min) : x!
      const clipped = max ? tf.minimum(raised, max) : raised
      return clipped === x ? clipped.clone() : clipped
    },
    // Integers drop the fraction, where TensorFlow rounds down.
    Div: ([a, b]) => (a!.dtype === 'int32' ? tf.cast(tf.div(tf.cast(a!, 'float32'), tf.cast(b!, 'float32')), 'int32') : tf.div(a!, b!)),
    Exp: ([x]) => tf.exp(x!),
    Floor: ([x]) => tf.floor(x!),
    Gemm: ([a, b, c], { alpha = 1, beta = 1, transA, transB }) => {
      const [left, right] = [a as Tensor & { rank: 2 }, b as Tensor & { rank: 2 }]
      const product = tf.matMul(left, right, transA === 1, transB === 1)
      const scaled = alpha === 1 ? product : tf.mul(product, float(alpha))
      return c ? tf.add(scaled, beta === 1 ? c : tf.mul(c, float(beta))) : scaled
    },
    Greater: ([a, b]) => tf.greater(a!, b!),
    HardSigmoid: ([x], { alpha = 0.2, beta = 0.5 }) => {
      const scaled = tf.mul(x!, float(alpha))
      return tf.clipByValue(beta === 0 ? scaled : tf.add(scaled, float(beta)), 0, 1)
    },
    LeakyRelu: ([x], { alpha = 0.01 }) => tf.leakyRelu(x!, float(alpha)),
    Less: ([a, b]) => tf.less(a!, b!),
    Log: ([x]) => tf.log(x!),
    // The CPU backend goes wrong where both sides repeat the other's matrices.
    MatMul: ([a, b]) => {
      const batch = broadcastShapes(a!.shape.slice(0, -2), b!.shape.slice(0, -2)) as number[]
      const spread = (x: Tensor): Tensor =>
        x.rank > 2 && sizeOf(x.shape.slice(0, -2)) < sizeOf(batch) ? tf.broadcastTo(x, [...batch, ...x.shape.slice(-2)]) : x
      return tf.matMul(spread(a!), spread(b!))
    },
    Max: ([a, b]) => tf.maximum(a!, b!),
    Min: ([a, b]) => tf.minimum(a!, b!),
    Mul: ([a, b]) => tf.mul(a!, b!),
    Neg: ([x]) => tf.neg(x!),
    Pow: ([a, b]) => tf.pow(a!, b!),
    Reciprocal: ([x]) => tf.reciprocal(x!),
    ReduceMax: ([x], { axes, keepdims = 1 }) => tf.max(x!, axes && [...axes], keepdims === 1),
    ReduceMean: ([x], { axes, keepdims = 1 }) => tf.mean(x!, axes && [...axes], keepdims === 1),
    Relu: ([x]) => tf.relu(x!),
    Sigmoid: ([x]) => tf.sigmoid(x!),
    Sign: ([x]) => tf.sign(x!),
    Softplus: ([x]) => tf.softplus(x!),
    Sqrt: ([x]) => tf.sqrt(x!),
    Sub: ([a, b]) => tf.sub(a!, b!),
    Tanh: ([x]) => tf.tanh(x!),
    Where: ([condition, a, b]) => tf.where(condition!, a!, b!),
  }
}
