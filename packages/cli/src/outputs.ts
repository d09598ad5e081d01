import { extname } from 'node:path'
import { InvalidValueError, type ModelFacts, type Tensor } from '@niceflow/core'
import { writeNpy, writePng } from '@niceflow/formats'
import { imageGrid } from '@niceflow/report'

/** Examples [.., dim] as a file's bytes; `columns` of them stand beside one another in a picture. */
export type ExamplesWriter = (examples: Tensor<'float32'>, model: ModelFacts, columns: number | undefined) => Uint8Array

/** The kinds of file that examples can go to. */
const writers: Readonly<Record<string, ExamplesWriter>> = {
  '.png': (examples, { imageShape, dataRange }, columns) => {
    if (imageShape === null) {
      throw new InvalidValueError({ what: 'examples as PNG', expected: 'a model of images', got: 'vectors', remedy: 'write an .npy file' })
    }
    return writePng(imageGrid(examples.data, { shape: imageShape, range: dataRange, ...(columns === undefined ? {} : { columns }) }))
  },
  '.npy': (examples) => writeNpy(examples),
}

/** @throws InvalidValueError (usage) for a file of another kind */
export function writerOf(out: string): ExamplesWriter {
  const write = writers[extname(out).toLowerCase()]
  if (!write) throw new InvalidValueError({ what: '--out', expected: 'a file ending in .png or .npy', got: out, usage: true })
  return write
}
