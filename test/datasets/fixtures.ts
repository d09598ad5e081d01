import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { fillUniform, streamKey, tensor } from '@niceflow/core'
import { writeIdx, writeMat } from '@niceflow/formats'

/**
 * Cut-down copies of datasets, in the originals' own formats, of images that are smooth as photographs are: a few waves in colour. A noise in every
 * pixel, as a camera's, gives their covariance its full rank.
 */

const seed = 9
/** Waves in an image, and what is drawn of each: two frequencies, a phase, an amplitude for each of three channels. */
const [waves, perWave] = [4, 6]
/** Levels, of 256, that a pixel's noise spans. */
const noise = 12

/** Level of an image's pixel, 0 to 255. */
type Image = (row: number, column: number, channel: number) => number

function image(index: number, side: number): Image {
  const draws = new Float32Array(waves * perWave + side * side * 3)
  fillUniform(streamKey(seed, 'probe', index), draws)
  const speckles = draws.subarray(waves * perWave)
  return (row, column, channel) => {
    let level = 128
    for (let at = 0; at < waves * perWave; at += perWave) {
      // Up to a period and a half over the image.
      const turns = (3 * (draws[at]! - 0.5) * row + 3 * (draws[at + 1]! - 0.5) * column) / side + draws[at + 2]!
      level += 28 * draws[at + 3 + channel]! * Math.sin(2 * Math.PI * turns)
    }
    return Math.round(level + noise * (speckles[(row * side + column) * 3 + channel]! - 0.5))
  }
}

/** `count` images from `first` on, over the axes listed, slowest first: images, rows, columns, channels are 0 to 3. */
function pixels(first: number, dims: readonly [count: number, side: number, channels: number], axes: readonly number[]): Uint8Array {
  const [count, side, channels] = dims
  const sizes = [count, side, side, channels]
  const strides = sizes.map((_, axis) => axes.slice(axes.indexOf(axis) + 1).reduce((size, inner) => size * sizes[inner]!, 1))
  const out = new Uint8Array(count * side * side * channels)
  for (let i = 0; i < count; i++) {
    const level = image(first + i, side)
    for (let row = 0; row < side; row++) {
      for (let column = 0; column < side; column++) {
        for (let channel = 0; channel < channels; channel++) {
          out[i * strides[0]! + row * strides[1]! + column * strides[2]! + channel * strides[3]!] = level(row, column, channel)
        }
      }
    }
  }
  return out
}

/** Images to train on: more than the 3072 directions that exact whitening needs, those for validation aside. */
const whole = 4000
/** Where there is nothing to whiten, or it is done approximately. */
const few = 1200
const tested = 200

function cifarBatch(first: number, count: number): Uint8Array {
  const planes = pixels(first, [count, 32, 3], [0, 3, 1, 2])
  const bytes = new Uint8Array(count * 3073)
  for (let i = 0; i < count; i++) {
    bytes[i * 3073] = i % 10
    bytes.set(planes.subarray(i * 3072, (i + 1) * 3072), i * 3073 + 1)
  }
  return bytes
}

const idxFile = (first: number, count: number): Uint8Array =>
  writeIdx(tensor('uint8', [count, 28, 28], pixels(first, [count, 28, 1], [0, 1, 2, 3])))

/** MATLAB's axes are rows, columns, channels, images: a tensor has them in reverse. */
const svhnFile = (first: number, count: number): Uint8Array =>
  writeMat(
    {
      X: tensor('uint8', [count, 3, 32, 32], pixels(first, [count, 32, 3], [0, 3, 2, 1])),
      y: tensor('uint8', [1, count]),
    },
    deflateSync,
  )

/** Folds, in the first of five columns: 0 unlabelled, 3 to test on. */
function tfdFile(): Uint8Array {
  const count = few + tested
  const folds = Int32Array.from({ length: 5 * count }, (_, at) => (at % count < few ? 0 : 3))
  return writeMat(
    {
      images: tensor('uint8', [48, 48, count], pixels(0, [count, 48, 1], [2, 1, 0, 3])),
      folds: tensor('int32', [5, count], folds),
    },
    deflateSync,
  )
}

/** The files of a dataset by their paths in the folder of datasets. */
export const fixtures: Readonly<Record<string, () => Readonly<Record<string, Uint8Array>>>> = {
  'fashion-mnist': () => ({ 'train-images-idx3-ubyte': idxFile(0, few), 't10k-images-idx3-ubyte': idxFile(few, tested) }),
  cifar10: () =>
    Object.fromEntries([
      ...[1, 2, 3, 4, 5].map((i) => [`cifar-10-batches-bin/data_batch_${i}.bin`, cifarBatch(((i - 1) * whole) / 5, whole / 5)]),
      ['cifar-10-batches-bin/test_batch.bin', cifarBatch(whole, tested)],
    ]),
  svhn: () => ({ 'train_32x32.mat': svhnFile(0, whole), 'test_32x32.mat': svhnFile(whole, tested) }),
  tfd: () => ({ 'TFD_48x48.mat': tfdFile() }),
}

/** Writes a dataset's fixture into a folder of datasets, as NICEFLOW_DATA names one. */
export function writeFixture(name: string, folder: string): void {
  for (const [file, bytes] of Object.entries(fixtures[name]!())) {
    const path = join(folder, name, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
  }
}
