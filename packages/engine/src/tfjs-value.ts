import { sizeOf, type Tensor } from '@niceflow/core'
import { type Float64Value, float64Value, type Kernel, type OpType } from '@niceflow/graph'
import type * as tfjs from '@tensorflow/tfjs-core'

/** TensorFlow.js as the host loaded it, with its backend. */
export type Tensorflow = typeof tfjs

/**
 * A value of a graph on TensorFlow.js. Whole numbers that a graph computes shapes, indices and conditions with stay on the host, so that no
 * step waits for a device to tell them; all else is a tensor on the device.
 */
export type TfjsValue = { readonly host: Float64Value; readonly tensor?: never } | { readonly tensor: tfjs.Tensor; readonly host?: never }

export type Kernels<Op extends OpType> = { readonly [O in Op]: Kernel<TfjsValue, O> }

export const onHost = (host: Float64Value): TfjsValue => ({ host })
export const onDevice = (tensor: tfjs.Tensor): TfjsValue => ({ tensor })

/** A constant or an input: int64 and single conditions on the host, floats as float32 on the device. */
export function placed(tf: Tensorflow, tensor: Tensor): TfjsValue {
  const { dtype, dims, data } = tensor
  if (dtype === 'int64' || (dtype === 'bool' && sizeOf(dims) === 1)) return onHost(float64Value(tensor))
  if (dtype === 'float32') return onDevice(tf.tensor(data as Float32Array, [...dims], 'float32'))
  const numbers = float64Value(tensor).data
  if (dtype === 'bool') return onDevice(tf.tensor(Uint8Array.from(numbers), [...dims], 'bool'))
  return dtype.startsWith('float')
    ? onDevice(tf.tensor(Float32Array.from(numbers), [...dims], 'float32'))
    : onDevice(tf.tensor(Int32Array.from(numbers), [...dims], 'int32'))
}

/** The value's tensor; one made of the host's numbers is new, and a `tf.tidy` around the caller frees it. */
export function tensorOf(tf: Tensorflow, { tensor, host }: TfjsValue): tfjs.Tensor {
  if (tensor) return tensor
  const { dims, data, integer } = host!
  return integer ? tf.tensor(Int32Array.from(data), [...dims], 'int32') : tf.tensor(Uint8Array.from(data), [...dims], 'bool')
}

export function dimsOf({ tensor, host }: TfjsValue): readonly number[] {
  return tensor ? tensor.shape : host!.dims
}

/**
 * The whole numbers of a shape, of axes or of indices; none where the input is left out.
 * @throws Error where they are on the device, which would have to be waited for
 */
export function integersOf(value: TfjsValue | undefined): number[] {
  if (!value) return []
  if (!value.host) throw new Error('shapes, axes and positions must be constant or made of shapes')
  return Array.from(value.host.data)
}
