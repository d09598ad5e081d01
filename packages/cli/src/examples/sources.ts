import { open, stat } from 'node:fs/promises'
import {
  arrayTypes,
  channelsOf,
  isTable,
  type ModelFacts,
  NiceflowError,
  type Preparation,
  rows,
  sizeOf,
  type Tensor,
  tensor,
} from '@niceflow/core'
import { type FileKind, fileKind, filesIn, kindNames, readHead, readWhole, unreadable } from '@niceflow/data'
import {
  type ArrayLayout,
  examplesOf,
  InvalidFileError,
  idxLayout,
  imageRow,
  inChannels,
  layoutTensor,
  npyLayout,
  type Rows,
  readCsv,
  readImage,
  resizeImage,
  rowsOf,
} from '@niceflow/formats'
import { warnOutside } from './rows.ts'

/** A file of examples, of which it is known how many it holds; they are read when they are asked for. */
export type Source = {
  readonly file: string
  readonly count: number
  /** Rows `start` to `end`. @throws NiceflowError naming the file */
  readonly read: (start: number, end: number) => Promise<Rows>
}

/** How images are made of the model's size, as those that it was trained on were; others are refused when left out. */
export type SourceOptions = Pick<Preparation, 'resize'>

const formats: Readonly<Record<FileKind, (file: string, model: ModelFacts, options: SourceOptions) => Promise<Source>>> = {
  image: imageSource,
  NPY: arraySource(npyLayout),
  IDX: arraySource(idxLayout),
  CSV: tableSource,
}

/** The longest header that is looked for; one of NPY's first version cannot be longer. */
const headBytes = 2 ** 16 + 16

/**
 * The files of examples among paths and in folders, in the order of the paths and by name within a folder, which is listed when its turn comes.
 * An image is one example whether or not it can be read; an array that cannot be read is none.
 * @param onBroken hears of a file that is not what it should be, or a folder within that cannot be listed, and may throw
 * @param onOthers hears of a folder's files that are none of examples
 * @throws NiceflowError for a path that is not there, most likely a slip, and for a folder without any
 */
export async function* sources(
  paths: readonly string[],
  model: ModelFacts,
  onBroken: (error: NiceflowError) => void,
  onOthers: (message: string) => void,
  options: SourceOptions = {},
): AsyncGenerator<Source> {
  for (const path of paths) {
    const folder = (await stat(path).catch(unreadable(path))).isDirectory()
    let found = 0
    let others = 0
    for await (const file of folder ? filesIn(path, onBroken) : [path]) {
      try {
        const { kind, first } = await fileKind(file)
        // Beside images a table is what somebody noted of them.
        const noted = folder && kind === 'CSV' && !isTable(model)
        if (kind && !noted) {
          found++
          yield await formats[kind](file, model, options)
        } else if (folder) others++
        else throw unknownFormat(file, first)
      } catch (error) {
        if (!NiceflowError.is(error)) throw error
        onBroken(error)
      }
    }
    if (folder && found === 0) {
      throw new NiceflowError(`${path}: expected a ${kindNames} file in it, got none`, { remedy: 'name the files or another folder' })
    }
    if (others > 0) onOthers(`${path}: ${others} of ${found + others} files are no examples: left out`)
  }
}

async function imageSource(file: string, model: ModelFacts, { resize }: SourceOptions): Promise<Source> {
  const read = async (): Promise<Rows> => {
    const bytes = await readWhole(file)
    const { dim, imageShape } = model
    if (!resize || imageShape === null) return imageRow(bytes, file, model)
    const { data } = await resizeImage(inChannels(readImage(bytes, file), channelsOf(imageShape), file), resize)
    return tensor('uint8', [1, dim], data)
  }
  return { file, count: 1, read }
}

function arraySource(layoutOf: (bytes: Uint8Array, length: number, file: string) => ArrayLayout): (typeof formats)[FileKind] {
  return async (file, model) => {
    const { bytes, length } = await readHead(file, headBytes)
    const layout = layoutOf(bytes, length, file)
    const dims = examplesOf(layout, file, model)
    let warned = false
    const read: Source['read'] = async (start, end) => {
      const taken = rowsOf(await readArray(file, { ...layout, dims }, start, end), model)
      if (!warned && taken.dtype === 'float32' && !isTable(model)) warned = warnOutside(file, taken, model.dataRange)
      return taken
    }
    return { file, count: dims[0]!, read }
  }
}

/** A table of numbers, in memory as a whole: where its rows lie in the text is known only when they are read. Missing values are NaN. */
async function tableSource(file: string, model: ModelFacts): Promise<Source> {
  if (!isTable(model)) {
    const remedy = 'give images, or an array of them'
    throw new InvalidFileError(file, { what: 'format', expected: 'pixels, like the data of the model', got: 'a table of numbers', remedy })
  }
  const whole = readCsv(await readWhole(file), file, { named: model.columns, missing: 'NaN' }).rows
  const [count, width] = whole.dims as [number, number]
  if (width !== model.dim) {
    const expected = `${model.dim}${model.columns ? ` (${model.columns.join(', ')})` : ''}`
    throw new InvalidFileError(file, { what: 'columns', expected, got: width, remedy: 'give the columns that the model was trained on' })
  }
  return { file, count, read: async (start, end) => rows(whole, start, end) }
}

/** Rows of an array, read from where they lie: in Fortran order, a piece of each column. */
async function readArray(file: string, layout: ArrayLayout, start: number, end: number): Promise<Tensor> {
  const [count, ...inner] = layout.dims as [number, ...number[]]
  const width = arrayTypes[layout.dtype].BYTES_PER_ELEMENT
  const size = sizeOf(inner)
  const bytes = new Uint8Array((end - start) * size * width)
  const pieces = layout.fortran ? size : 1
  const length = bytes.length / pieces
  const handle = await open(file).catch(unreadable(file))
  try {
    for (let piece = 0; piece < pieces; piece++) {
      const first = layout.fortran ? piece * count + start : start * size
      const { bytesRead } = await handle.read(bytes, piece * length, length, layout.offset + first * width).catch(unreadable(file))
      if (bytesRead !== length)
        throw new InvalidFileError(file, { what: 'length', expected: 'as it was', got: 'a file that was cut since' })
    }
  } finally {
    await handle.close()
  }
  return layoutTensor(layout, [end - start, ...inner], bytes)
}

function unknownFormat(file: string, first: string): InvalidFileError {
  return new InvalidFileError(file, {
    what: 'first bytes',
    expected: `those of ${kindNames}`,
    got: first.slice(0, 8) || 'nothing',
    remedy: 'convert the file to one of these',
  })
}
