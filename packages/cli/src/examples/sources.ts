import type { Stats } from 'node:fs'
import { open, opendir, readFile, realpath, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { arrayTypes, type ModelFacts, NiceflowError, sizeOf, type Tensor } from '@niceflow/core'
import {
  type ArrayLayout,
  examplesOf,
  InvalidFileError,
  idxLayout,
  imageRow,
  layoutTensor,
  npyLayout,
  type Rows,
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

type Format = {
  readonly name: string
  readonly ending?: string
  /** How files of it begin, in hexadecimal. */
  readonly begins: RegExp
  readonly source: (file: string, model: ModelFacts) => Promise<Source>
}

/** A name tells what a file is, else how it begins does: the files of MNIST have no ending. A gzipped one is IDX's to refuse. */
const formats: readonly Format[] = [
  { name: 'PNG', ending: '.png', begins: /^89504e47/, source: imageSource },
  { name: 'NPY', ending: '.npy', begins: /^934e554d5059/, source: arraySource(npyLayout) },
  { name: 'IDX', ending: '.idx', begins: /^(1f8b|0000(08|09|0b|0c|0d|0e))/, source: arraySource(idxLayout) },
]
const names = 'PNG, NPY or IDX'

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
): AsyncGenerator<Source> {
  for (const path of paths) {
    const folder = (await stat(path).catch(unreadable(path))).isDirectory()
    let found = 0
    let others = 0
    for await (const file of folder ? filesIn(path, onBroken) : [path]) {
      try {
        const { format, first } = await formatOf(file)
        if (format) {
          found++
          yield await format.source(file, model)
        } else if (folder) others++
        else throw unknownFormat(file, first)
      } catch (error) {
        if (!NiceflowError.is(error)) throw error
        onBroken(error)
      }
    }
    if (folder && found === 0) {
      throw new NiceflowError(`${path}: expected a PNG, NPY or IDX file in it, got none`, { remedy: 'name the files or another folder' })
    }
    if (others > 0) onOthers(`${path}: ${others} of ${found + others} files are not ${names}: left out`)
  }
}

/**
 * The files in a folder and in those within, in the order of their paths. Links are followed, but for one to a folder that it lies in.
 * @param above the real names of the folders that it lies in
 */
async function* filesIn(folder: string, onBroken: (error: NiceflowError) => void, above: readonly string[] = []): AsyncGenerator<string> {
  const entries: string[] = []
  let within = above
  try {
    const real = await realpath(folder)
    if (above.includes(real)) return
    within = [...above, real]
    for await (const entry of await opendir(folder, { bufferSize: 1024 })) {
      const kind = entry.isSymbolicLink() ? await targetOf(join(folder, entry.name)) : entry
      // A folder's place among files is that of the paths within it.
      if (kind === undefined || kind.isFile()) entries.push(entry.name)
      else if (kind.isDirectory()) entries.push(`${entry.name}/`)
    }
  } catch (error) {
    onBroken(cannotRead(folder, error as NodeJS.ErrnoException))
    return
  }
  for (const entry of entries.sort()) {
    if (entry.endsWith('/')) yield* filesIn(join(folder, entry.slice(0, -1)), onBroken, within)
    else yield join(folder, entry)
  }
}

async function formatOf(file: string): Promise<{ readonly format: Format | undefined; readonly first: string }> {
  const ending = extname(file).toLowerCase()
  const named = formats.find((format) => format.ending === ending)
  if (named) return { format: named, first: '' }
  const { bytes } = await readHead(file, 8)
  const first = Buffer.from(bytes).toString('hex')
  return { format: formats.find(({ begins }) => begins.test(first)), first }
}

async function imageSource(file: string, model: ModelFacts): Promise<Source> {
  return { file, count: 1, read: async () => imageRow(await readFile(file).catch(unreadable(file)), file, model) }
}

function arraySource(layoutOf: (bytes: Uint8Array, length: number, file: string) => ArrayLayout): Format['source'] {
  return async (file, model) => {
    const { bytes, length } = await readHead(file, headBytes)
    const layout = layoutOf(bytes, length, file)
    const dims = examplesOf(layout, file, model)
    let warned = false
    const read: Source['read'] = async (start, end) => {
      const rows = rowsOf(await readArray(file, { ...layout, dims }, start, end), model)
      if (!warned && rows.dtype === 'float32') warned = warnOutside(file, rows, model.dataRange)
      return rows
    }
    return { file, count: dims[0]!, read }
  }
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

async function readHead(file: string, most: number): Promise<{ readonly bytes: Uint8Array; readonly length: number }> {
  const handle = await open(file).catch(unreadable(file))
  try {
    const { size } = await handle.stat()
    const { buffer, bytesRead } = await handle.read(new Uint8Array(Math.min(most, size)), 0).catch(unreadable(file))
    return { bytes: buffer.subarray(0, bytesRead), length: size }
  } finally {
    await handle.close()
  }
}

/** What a link leads to; one that leads nowhere counts as a file: it is named when it is read. */
function targetOf(link: string): Promise<Stats | undefined> {
  return stat(link).catch(() => undefined)
}

function cannotRead(path: string, cause: NodeJS.ErrnoException): NiceflowError {
  return new NiceflowError(`${path}: cannot be read: ${cause.code ?? cause.message}`, { cause, remedy: 'check the path' })
}

function unreadable(path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    throw cannotRead(path, cause)
  }
}

function unknownFormat(file: string, first: string): InvalidFileError {
  return new InvalidFileError(file, {
    what: 'first bytes',
    expected: `those of ${names}`,
    got: first.slice(0, 8) || 'nothing',
    remedy: 'convert the file to one of these',
  })
}
