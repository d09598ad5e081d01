import { inflateSync } from 'node:zlib'
import { sizeOf, type Tensor, tensor } from '@niceflow/core'
import { InvalidFileError, readCifar, readIdx, readMat, transpose } from '@niceflow/formats'
import type { CatalogueEntry, ImagesFormat } from './catalogue.ts'

/** The splits that a dataset is published in. */
export type PublishedSplit = keyof CatalogueEntry['files']

type MatFormat = Extract<ImagesFormat, { kind: 'mat' }>

/**
 * The images of one file.
 * @param source its path, for messages
 * @returns uint8 [n, the numbers of an image]
 * @throws InvalidFileError for a file that is damaged, or holds other things than images of the dataset's shape
 */
export function readImages(
  bytes: Uint8Array,
  source: string,
  { format, imageShape }: Pick<CatalogueEntry, 'format' | 'imageShape'>,
  split: PublishedSplit,
): Tensor<'uint8'> {
  const images = read(bytes, source, format, split)
  const got = `${images.dtype} [${images.dims.join(', ')}]`
  if (images.dtype !== 'uint8' || String(images.dims.slice(1)) !== String(imageShape)) {
    throw new InvalidFileError(source, { what: 'images', expected: `uint8 [n, ${imageShape.join(', ')}]`, got })
  }
  return tensor('uint8', [images.dims[0]!, sizeOf(imageShape)], images.data)
}

function read(bytes: Uint8Array, source: string, format: ImagesFormat, split: PublishedSplit): Tensor {
  switch (format.kind) {
    case 'idx':
      return readIdx(bytes, source)
    case 'cifar':
      return readCifar(bytes, source)
    case 'mat':
      return matImages(bytes, source, format, split)
  }
}

function matImages(bytes: Uint8Array, source: string, { variable, axes, folds }: MatFormat, split: PublishedSplit): Tensor {
  const names = [variable, ...(folds ? [folds.variable] : [])]
  const arrays = readMat(bytes, source, names, (packed) => inflateSync(packed))
  const array = arrays[variable]!
  const { length } = array.dims
  if (length !== axes.length) {
    const expected = `${axes.length} axes`
    throw new InvalidFileError(source, { what: `variable ${variable}`, expected, got: `[${[...array.dims].reverse().join(', ')}]` })
  }
  // The reader gives MATLAB's axes in reverse.
  const images = transpose(
    array,
    axes.map((axis) => length - 1 - axis),
  )
  return folds ? taken(images, arrays[folds.variable]!, folds[split], source) : images
}

/** The images whose fold, in the first column of `folds`, is the one that is wanted. */
function taken(images: Tensor, folds: Tensor, wanted: number, source: string): Tensor {
  const count = images.dims[0]!
  if (folds.data.length < count) {
    throw new InvalidFileError(source, { what: 'folds', expected: `one for each of ${count} images`, got: folds.data.length })
  }
  const indices = Array.from({ length: count }, (_, i) => i).filter((i) => Number(folds.data[i]) === wanted)
  const size = sizeOf(images.dims.slice(1))
  const chosen = tensor(images.dtype, [indices.length, ...images.dims.slice(1)])
  for (const [i, index] of indices.entries()) {
    ;(chosen.data as Uint8Array).set((images.data as Uint8Array).subarray(index * size, (index + 1) * size), i * size)
  }
  return chosen
}
