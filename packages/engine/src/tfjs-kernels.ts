import { sizeOf, type Tensor } from '@niceflow/core'
import { float64Kernels, iterationKernels, type Kernel, type KernelTable, type OpType, oncePerTensor } from '@niceflow/graph'
import type * as tfjs from '@tensorflow/tfjs-core'
import { type ArithmeticOp, arithmetic } from './tfjs-arithmetic.ts'
import { movement } from './tfjs-movement.ts'
import { dimsOf, integersOf, type Kernels, onDevice, onHost, placed, type Tensorflow, type TfjsValue, tensorOf } from './tfjs-value.ts'

type IterationOp = 'Loop' | 'Scan'

export type TfjsTable = KernelTable<TfjsValue> & {
  /** Frees the constants that the table made. */
  readonly dispose: () => void
}

/** Kernels for every operator on TensorFlow.js: float32 and whatever the backend computes with. */
export function tfjsKernels(tf: Tensorflow): TfjsTable {
  const constants: TfjsValue[] = []
  const constant = oncePerTensor((tensor: Tensor) => {
    // It may be made amid a kernel's own tensors, which are freed, and lives for as long as the table.
    const value = keep(tf, placed(tf, tensor))
    constants.push(value)
    return value
  })
  const release = ({ tensor }: TfjsValue): void => tensor?.dispose()
  const kernels = { ...tensorKernels(tf), ...movement(tf) }
  return {
    constant,
    release,
    kernels: { ...hostFirst(tf, kernels), ...iteration(tf, release) },
    dispose: () => {
      for (const value of constants.splice(0)) release(value)
    },
  }
}

/** Lets a tensor outlive the `tf.tidy` in which it was made. */
function keep(tf: Tensorflow, value: TfjsValue): TfjsValue {
  if (value.tensor) tf.keep(value.tensor)
  return value
}

/** Kernels which compute on the host what only the host's numbers go into, and whose own tensors are freed but for the results. */
function hostFirst(tf: Tensorflow, kernels: Kernels<Exclude<OpType, IterationOp>>): Kernels<Exclude<OpType, IterationOp>> {
  const wrapped = Object.entries(kernels).map(([name, kernel]) => {
    const op = name as Exclude<OpType, IterationOp>
    const device = kernel as Kernel<TfjsValue, OpType>
    const host = float64Kernels.kernels[op] as Kernel<unknown, OpType>
    const run: Kernel<TfjsValue, OpType> = (inputs, attributes, body) => {
      const given = inputs.every((value) => value?.tensor === undefined)
      if (given && !givesFloats(op, attributes)) {
        const results = host(
          inputs.map((value) => value?.host),
          attributes,
          body as never,
        )
        return (results as { readonly dims: readonly number[]; readonly data: Float64Array }[]).map(onHost)
      }
      let results: readonly TfjsValue[] = []
      tf.tidy(() => {
        results = device(inputs, attributes, body).map((value) => keep(tf, value))
      })
      return results
    }
    return [op, run]
  })
  return Object.fromEntries(wrapped) as Kernels<Exclude<OpType, IterationOp>>
}

/** Whether an operator makes floats of whole numbers. */
function givesFloats(op: OpType, attributes: object): boolean {
  const { to, value } = attributes as { to?: string; value?: Tensor }
  if (op === 'Cast') return to!.startsWith('float')
  return op === 'ConstantOfShape' && (value?.dtype ?? 'float32').startsWith('float')
}

function tensorKernels(tf: Tensorflow): Kernels<ArithmeticOp | 'Cast' | 'ReduceSum'> {
  const plain = Object.entries(arithmetic(tf)).map(([op, compute]) => {
    const on = compute as (inputs: readonly (tfjs.Tensor | undefined)[], attributes: object) => tfjs.Tensor
    const kernel = (inputs: readonly (TfjsValue | undefined)[], attributes: object): readonly TfjsValue[] => [
      onDevice(
        on(
          inputs.map((value) => value && tensorOf(tf, value)),
          attributes,
        ),
      ),
    ]
    return [op, kernel]
  })
  return {
    ...(Object.fromEntries(plain) as unknown as Kernels<ArithmeticOp>),
    Cast: ([x], { to }) => {
      const tensor = tensorOf(tf, x!)
      if (to === 'bool')
        return [onDevice(tf.notEqual(tensor, tf.scalar(0, tensor.dtype === 'bool' ? 'bool' : (tensor.dtype as 'float32'))))]
      return [onDevice(tf.cast(tensor, to.startsWith('float') ? 'float32' : 'int32'))]
    },
    ReduceSum: ([x, axes], { keepdims = 1 }) => [onDevice(tf.sum(tensorOf(tf, x!), axes && integersOf(axes), keepdims === 1))],
  }
}

function iteration(tf: Tensorflow, release: (value: TfjsValue) => void): Kernels<IterationOp> {
  return iterationKernels<TfjsValue>({
    // A condition that is computed on the device is waited for: no graph of ours has one.
    number: ({ tensor, host }) => (tensor ? tensor.dataSync()[0]! : host!.data[0]!),
    scalar: (value, dtype) => onHost({ dims: [], data: Float64Array.of(value), integer: dtype === 'int64' }),
    copy: (value) => (value.tensor ? onDevice(value.tensor.clone()) : value),
    length: (value) => dimsOf(value)[0]!,
    row: (value, index) => rowOf(tf, value, index),
    stack: (rows, { dims, dtype }) => {
      if (rows.length > 0) {
        return onDevice(tf.tidy(() => tf.keep(tf.stack(rows.map((row) => tensorOf(tf, row))))))
      }
      const rest = dims.map((dim) => (typeof dim === 'number' ? dim : 0))
      return onDevice(tf.zeros([0, ...rest], dtype.startsWith('float') ? 'float32' : 'int32'))
    },
    release,
  })
}

function rowOf(tf: Tensorflow, value: TfjsValue, index: number): TfjsValue {
  const dims = dimsOf(value).slice(1)
  if (value.host) {
    const size = sizeOf(dims)
    return onHost({ ...value.host, dims, data: value.host.data.subarray(index * size, (index + 1) * size) })
  }
  const { tensor } = value
  return onDevice(tf.tidy(() => tf.keep(tf.reshape(tf.slice(tensor!, [index, ...dims.map(() => 0)], [1, ...dims]), [...dims]))))
}
