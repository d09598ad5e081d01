import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type ModelFacts, NiceflowError, sizeOf, type Tensor, tensor } from '@niceflow/core'
import { InvalidFileError, readIdx, readNpy, readPng, toGrey } from '@niceflow/formats'
import { warn } from './progress.ts'

/** Rows of a model's dimension: pixels, or floats on its data range. */
export type Rows = Tensor<'uint8'> | Tensor<'float32'>

/** Where an example of a request came from: a file, and its row in it. */
export type Origin = { readonly file: string; readonly row: number }

/** A stretch of a request, and where each of its rows came from. */
export type Stretch = { readonly x: Rows; readonly origins: readonly Origin[] }

type Format = {
  readonly name: string
  readonly magic: readonly number[]
  readonly read: (bytes: Uint8Array, file: string, model: ModelFacts) => Rows
}

const arrays = (read: (bytes: Uint8Array, file: string) => Tensor): Format['read'] => {
  return (bytes, file, model) => rowsOf(read(bytes, file), file, model)
}

/** Files are known by how they begin: those of MNIST have no ending. A gzipped one is IDX's to refuse. */
const formats: readonly Format[] = [
  { name: 'PNG', magic: [0x89, 0x50, 0x4e, 0x47], read: pixelsOf },
  { name: 'NPY', magic: [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59], read: arrays(readNpy) },
  { name: 'IDX', magic: [0, 0], read: arrays(readIdx) },
  { name: 'IDX', magic: [0x1f, 0x8b], read: arrays(readIdx) },
]

/** Rows that are scored together where files hold few. */
const stretchRows = 1024

/**
 * The examples of files and of all files in folders, in the order of the paths and by name within a folder. Files of a few rows are put
 * together, so that a folder of images is scored in batches.
 * @throws NiceflowError naming the file that cannot be read or is not the model's
 */
export async function* readExamples(paths: readonly string[], model: ModelFacts): AsyncGenerator<Stretch> {
  let pending: { file: string; rows: Rows }[] = []
  let count = 0
  for await (const next of readFiles(paths, model)) {
    const first = pending[0]
    if (first && (first.rows.dtype !== next.rows.dtype || count + next.rows.dims[0]! > stretchRows)) {
      yield joined(pending)
      pending = []
      count = 0
    }
    pending.push(next)
    count += next.rows.dims[0]!
  }
  if (count > 0) yield joined(pending)
}

function joined(parts: readonly { readonly file: string; readonly rows: Rows }[]): Stretch {
  const origins = parts.flatMap(({ file, rows }) => Array.from({ length: rows.dims[0]! }, (_, row) => ({ file, row })))
  const { dtype, dims } = parts[0]!.rows
  if (parts.length === 1) return { x: parts[0]!.rows, origins }
  const x = tensor(dtype, [origins.length, dims[1]!])
  let at = 0
  for (const { rows } of parts) {
    x.data.set(rows.data, at)
    at += rows.data.length
  }
  return { x, origins }
}

async function* readFiles(paths: readonly string[], model: ModelFacts): AsyncGenerator<{ file: string; rows: Rows }> {
  for (const path of paths) {
    const stats = await stat(path).catch(unreadable(path))
    let skipped = 0
    const files = stats.isDirectory() ? await filesIn(path) : [path]
    for (const file of files) {
      const bytes = await readFile(file).catch(unreadable(file))
      const format = formats.find(({ magic }) => magic.every((byte, i) => bytes[i] === byte))
      if (format) yield { file, rows: format.read(bytes, file, model) }
      else if (stats.isDirectory()) skipped++
      else throw unknownFormat(file, bytes)
    }
    if (skipped === files.length) {
      throw new NiceflowError(`${path}: expected a PNG, NPY or IDX file in it, got none`, { remedy: 'name the files or another folder' })
    }
    if (skipped > 0) warn(`${path}: ${skipped} of ${files.length} files are not PNG, NPY or IDX: left out`)
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function unreadable(path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    throw new NiceflowError(`${path}: cannot be read: ${cause.code ?? cause.message}`, { cause, remedy: 'check the path' })
  }
}

function unknownFormat(file: string, bytes: Buffer): InvalidFileError {
  const got = bytes.subarray(0, 4).toString('hex') || 'nothing'
  return new InvalidFileError(file, {
    what: 'first bytes',
    expected: 'those of PNG, NPY or IDX',
    got,
    remedy: 'convert the file to one of these',
  })
}

function pixelsOf(bytes: Uint8Array, file: string, { imageShape, dim }: ModelFacts): Rows {
  const image = readPng(bytes, file)
  if (imageShape === null) {
    throw new InvalidFileError(file, {
      what: 'format',
      expected: `NPY or IDX with ${dim} numbers an example`,
      got: 'PNG',
      remedy: 'the model is not one of images',
    })
  }
  const [height, width] = imageShape
  if (image.height !== height || image.width !== width) {
    const remedy = 'scale the image to that size'
    throw new InvalidFileError(file, {
      what: 'image size',
      expected: `${width} x ${height}`,
      got: `${image.width} x ${image.height}`,
      remedy,
    })
  }
  try {
    return tensor('uint8', [1, dim], toGrey(image).data)
  } catch (error) {
    if (!NiceflowError.is(error)) throw error
    throw new NiceflowError(`${file}: ${error.message}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  }
}

/** An array as rows: [n, …] with the model's number of elements an example, or one example alone. */
function rowsOf(array: Tensor, file: string, { dim, imageShape, pixels, dataRange }: ModelFacts): Rows {
  const { dims } = array
  const count = sizeOf(dims.slice(1)) === dim ? dims[0] : sizeOf(dims) === dim ? 1 : undefined
  if (count === undefined || count === 0) {
    const expected = [`[n, ${dim}]`, ...(imageShape === null ? [] : [`[n, ${imageShape.join(', ')}]`])].join(' or ')
    throw new InvalidFileError(file, {
      what: 'shape',
      expected,
      got: `[${dims.join(', ')}]`,
      remedy: 'give examples of the size that the model was trained on',
    })
  }
  if (array.dtype === 'uint8' && pixels) return tensor('uint8', [count, dim], array.data)
  if (array.dtype === 'float32' || array.dtype === 'float64') {
    const values = tensor('float32', [count, dim], Float32Array.from(array.data))
    warnOutside(file, values.data, dataRange)
    return values
  }
  const floats = `float32 or float64 on [${dataRange.join(', ')}]`
  throw new InvalidFileError(file, {
    what: 'element type',
    expected: pixels ? `uint8 pixels, or ${floats}` : floats,
    got: array.dtype,
    remedy: 'convert the array',
  })
}

/** A density goes on beyond its data range, but bytes that were made floats are most likely a slip. */
function warnOutside(file: string, values: Float32Array, [low, high]: ModelFacts['dataRange']): void {
  let [least, most] = [low, high]
  for (const value of values) {
    if (value < least) least = value
    if (value > most) most = value
  }
  if (least < low || most > high) warn(`${file}: values from ${least} to ${most} leave the model's data range [${low}, ${high}]`)
}
