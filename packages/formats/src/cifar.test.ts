import { expect, test } from 'vitest'
import { readCifar } from './index.ts'

/** Two records as the page of CIFAR-10 describes them: a label, then 1,024 reds, greens and blues, each row by row. */
function batch(labels: readonly number[]): Uint8Array {
  return Uint8Array.from(labels.flatMap((label, i) => [label, ...Array.from({ length: 3072 }, (_, at) => level(i, at >> 10, at & 1023))]))
}
const level = (image: number, channel: number, pixel: number): number => (100 * image + 50 * channel + pixel) % 256

test('puts the channels of a pixel side by side', () => {
  const { dims, data } = readCifar(batch([3, 9]), 'b.bin')
  expect(dims).toEqual([2, 32, 32, 3])
  for (const [image, row, column] of [
    [0, 0, 0],
    [0, 0, 1],
    [0, 1, 0],
    [1, 31, 30],
  ] as const) {
    const pixel = 32 * row + column
    const at = (1024 * image + pixel) * 3
    expect([...data.subarray(at, at + 3)]).toEqual([0, 1, 2].map((channel) => level(image, channel, pixel)))
  }
})

test.each([
  [batch([1]).subarray(0, 3000), 'b.bin: CIFAR-10 batch: expected whole records of 3073 bytes, got 3000 bytes'],
  [new Uint8Array(), 'b.bin: CIFAR-10 batch: expected whole records of 3073 bytes, got 0 bytes'],
  [batch([1, 10]), 'b.bin: label of record 1: expected 0 to 9, got 10'],
])('refuses what is no batch (%#)', (bytes, message) => {
  expect(() => readCifar(bytes, 'b.bin')).toThrow(message)
})
