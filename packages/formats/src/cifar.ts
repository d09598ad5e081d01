import { type Tensor, tensor } from '@niceflow/core'
import { InvalidFileError } from './bytes.ts'
import { transpose } from './layout.ts'

/** A record: the label, then the red, green and blue planes of 32 x 32 pixels, row by row. */
const [side, channels, labels] = [32, 3, 10] as const
const imageBytes = channels * side * side
const recordBytes = 1 + imageBytes

/**
 * Reads a batch of CIFAR-10 in its binary version (https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version"). Labels are passed over.
 * @param source the file's name, for messages
 * @returns uint8 [n, 32, 32, 3], the channels of a pixel side by side
 * @throws InvalidFileError for a length that is no whole number of records, and for labels that are none: those of CIFAR-100 take two bytes
 */
export function readCifar(bytes: Uint8Array, source: string): Tensor<'uint8'> {
  const count = bytes.length / recordBytes
  if (!Number.isInteger(count) || count === 0) {
    const expected = `whole records of ${recordBytes} bytes`
    throw new InvalidFileError(source, { what: 'CIFAR-10 batch', expected, got: `${bytes.length} bytes` })
  }
  const planes = tensor('uint8', [count, channels, side, side])
  for (let i = 0; i < count; i++) {
    const label = bytes[i * recordBytes]!
    if (label >= labels) {
      throw new InvalidFileError(source, {
        what: `label of record ${i}`,
        expected: `0 to ${labels - 1}`,
        got: label,
        remedy: 'give a batch of the binary version of CIFAR-10, such as data_batch_1.bin',
      })
    }
    planes.data.set(bytes.subarray(i * recordBytes + 1, (i + 1) * recordBytes), i * imageBytes)
  }
  return transpose(planes, [0, 2, 3, 1])
}
