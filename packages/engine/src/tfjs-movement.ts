import { sizeOf } from '@niceflow/core'
import { broadcastShapes, normalizeAxis, sliceBounds } from '@niceflow/graph'
import type * as tfjs from '@tensorflow/tfjs-core'
import { dimsOf, integersOf, type Kernels, onDevice, onHost, type Tensorflow, type TfjsValue, tensorOf } from './tfjs-value.ts'

/** The operators that move elements and compute nothing. */
export type MovementOp =
  | 'Concat'
  | 'ConstantOfShape'
  | 'Expand'
  | 'Gather'
  | 'Identity'
  | 'Reshape'
  | 'ScatterElements'
  | 'Shape'
  | 'Size'
  | 'Slice'
  | 'Split'
  | 'Squeeze'
  | 'Transpose'
  | 'Unsqueeze'

export function movement(tf: Tensorflow): Kernels<MovementOp> {
  const reshaped = (x: TfjsValue, dims: readonly number[]): readonly TfjsValue[] => [onDevice(tf.reshape(x.tensor!, [...dims]))]
  return {
    Concat: (inputs, { axis }) => {
      const tensors = inputs.map((value) => tensorOf(tf, value!))
      return [onDevice(tf.concat(tensors, normalizeAxis(axis, tensors[0]!.rank)))]
    },
    ConstantOfShape: ([shape], { value }) => [onDevice(tf.fill(integersOf(shape), Number(value?.data[0] ?? 0), 'float32'))],
    Expand: ([x, shape]) => [onDevice(tf.broadcastTo(x!.tensor!, broadcastShapes(dimsOf(x!), integersOf(shape)) as number[]))],
    Gather: ([x, indices], { axis: named = 0 }) => {
      const tensor = tensorOf(tf, x!)
      const axis = normalizeAxis(named, tensor.rank)
      const along = tensor.shape[axis]!
      if (indices?.host?.dims.length === 0) {
        const [index] = integersOf(indices)
        const begin = tensor.shape.map((_, i) => (i === axis ? normalizeAxis(index!, along) : 0))
        const row = tf.slice(
          tensor,
          begin,
          tensor.shape.map((dim, i) => (i === axis ? 1 : dim)),
        )
        return [
          onDevice(
            tf.reshape(
              row,
              tensor.shape.filter((_, i) => i !== axis),
            ),
          ),
        ]
      }
      return [onDevice(tf.gather(tensor, fromStart(tf, indices!, along) as tfjs.Tensor1D, axis))]
    },
    Identity: ([x]) => [x!.tensor ? onDevice(x!.tensor.clone()) : x!],
    Reshape: ([x, shape]) =>
      reshaped(
        x!,
        integersOf(shape).map((dim, axis) => (dim === 0 ? dimsOf(x!)[axis]! : dim)),
      ),
    ScatterElements: ([x, indices, updates], { axis: named = 0, reduction = 'none' }) => {
      const tensor = tensorOf(tf, x!)
      const axis = normalizeAxis(named, tensor.rank)
      const dims = dimsOf(indices!)
      const along = fromStart(tf, indices!, tensor.shape[axis]!)
      // The full position of every update: its own along each axis but the one that the indices name.
      const positions = dims.map((_, i) =>
        i === axis
          ? along
          : tf.broadcastTo(
              tf.reshape(
                tf.range(0, dims[i]!, 1, 'int32'),
                dims.map((dim, j) => (j === i ? dim : 1)),
              ),
              [...dims],
            ),
      )
      const at = tf.reshape(tf.stack(positions, -1), [sizeOf(dims), tensor.rank])
      const values = tf.reshape(tensorOf(tf, updates!), [sizeOf(dims)])
      return [
        onDevice(
          reduction === 'add'
            ? tf.add(tensor, tf.scatterND(at, values, tensor.shape as number[]))
            : tf.tensorScatterUpdate(tensor, at, values),
        ),
      ]
    },
    Shape: ([x]) => [onHost({ dims: [dimsOf(x!).length], data: Float64Array.from(dimsOf(x!)), integer: true })],
    Size: ([x]) => [onHost({ dims: [], data: Float64Array.of(sizeOf(dimsOf(x!))), integer: true })],
    Slice: ([x, starts, ends, axes, steps]) => {
      const tensor = tensorOf(tf, x!)
      const [begin, end, step] = [tensor.shape.map(() => 0), [...tensor.shape], tensor.shape.map(() => 1)]
      integersOf(starts).forEach((from, i) => {
        const axis = normalizeAxis(axes ? integersOf(axes)[i]! : i, tensor.rank)
        const bounds = sliceBounds(from, integersOf(ends)[i]!, steps ? integersOf(steps)[i]! : 1, tensor.shape[axis]!)
        begin[axis] = bounds.start
        end[axis] = bounds.end
        step[axis] = bounds.step
      })
      const backwards = [...step.keys()].filter((axis) => step[axis]! < 0)
      // TensorFlow reads an end of -1 as the last element, so what runs backwards is turned round first.
      const turned = backwards.length > 0 ? tf.reverse(tensor, backwards) : tensor
      for (const axis of backwards) {
        const last = tensor.shape[axis]! - 1
        begin[axis] = last - begin[axis]!
        end[axis] = last - end[axis]!
        step[axis] = -step[axis]!
      }
      const length = begin.map((from, axis) => Math.max(0, Math.ceil((end[axis]! - from) / step[axis]!)))
      if (length.some((size) => size === 0)) return [onDevice(tf.zeros(length, tensor.dtype))]
      if (step.every((size) => size === 1)) return [onDevice(tf.slice(turned, begin, length))]
      return [
        onDevice(
          tf.stridedSlice(
            turned,
            begin,
            end.map((to, axis) => Math.max(to, begin[axis]!)),
            step,
          ),
        ),
      ]
    },
    Split: ([x, sizes], { axis = 0 }) => tf.split(tensorOf(tf, x!), integersOf(sizes), axis).map(onDevice),
    Squeeze: ([x, axes]) => {
      const gone = integersOf(axes).map((axis) => normalizeAxis(axis, dimsOf(x!).length))
      return reshaped(
        x!,
        dimsOf(x!).filter((_, axis) => !gone.includes(axis)),
      )
    },
    Transpose: ([x], { perm }) => [onDevice(tf.transpose(x!.tensor!, perm && [...perm]))],
    Unsqueeze: ([x, axes]) => {
      const rank = dimsOf(x!).length + integersOf(axes).length
      const added = integersOf(axes).map((axis) => normalizeAxis(axis, rank))
      const kept = dimsOf(x!).values()
      return reshaped(
        x!,
        Array.from({ length: rank }, (_, axis) => (added.includes(axis) ? 1 : kept.next().value!)),
      )
    },
  }
}

/** Indices counted from the start, on the device. */
function fromStart(tf: Tensorflow, indices: TfjsValue, size: number): tfjs.Tensor {
  if (indices.host) {
    const data = indices.host.data.map((index) => normalizeAxis(index, size))
    return tensorOf(tf, onHost({ ...indices.host, data, integer: true }))
  }
  const { tensor } = indices
  return tf.where(tf.less(tensor!, 0), tf.add(tensor!, tf.scalar(size, 'int32')), tensor!)
}
