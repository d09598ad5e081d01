import { InvalidValueError, type ModelFacts, tensor } from '@niceflow/core'
import { examplesOf, InvalidFileError, imageRow, layoutTensor, npyLayout, type Rows, rowsOf } from '@niceflow/formats'
import type { Limits } from '../context.ts'
import { RequestError } from '../errors.ts'
import { flatNumbers } from '../numbers.ts'
import { parseJson } from '../protocol/request.ts'

type Format = {
  readonly name: string
  /** How bytes of it begin, in hexadecimal. */
  readonly begins: RegExp
  readonly read: (bytes: Buffer, file: string, model: ModelFacts, limits: Limits) => Rows
}

/** Bytes tell what they are by how they begin, whatever type a client says: `curl --data-binary` calls everything a form. */
const formats: readonly Format[] = [
  { name: 'PNG', begins: /^89504e47/, read: image },
  { name: 'JPEG', begins: /^ffd8ff/, read: image },
  { name: 'NPY', begins: /^934e554d5059/, read: array },
  { name: 'JSON', begins: /^(20|09|0a|0d)*(5b|7b)/, read: (bytes, _, model) => exampleRowsOf(parseJson(bytes.toString()), model) },
]

/**
 * The examples in a body or a part of one: a PNG or JPEG image of the model's size; an NPY array; JSON, `{"pixels": …}` of integers from 0 to 255 or
 * `{"x": …}` of floats on the data range, as arrays in arrays or flat.
 * @param file what it is called in messages
 * @throws InvalidFileError, InvalidValueError, RequestError
 */
export function readExamples(bytes: Buffer, file: string, model: ModelFacts, limits: Limits): Rows {
  const start = bytes.subarray(0, 16).toString('hex')
  const format = formats.find(({ begins }) => begins.test(start))
  if (format) return format.read(bytes, file, model, limits)
  throw new InvalidFileError(file, {
    what: 'first bytes',
    expected: `those of ${formats.map(({ name }) => name).join(', ')}`,
    got: start.slice(0, 8) || 'nothing',
    remedy: 'convert it to one of these',
  })
}

/** A small file can hold much that is never asked for: metadata, and pixels beyond the size that it tells. */
function image(bytes: Buffer, file: string, model: ModelFacts, { exampleBytes }: Limits): Rows {
  if (bytes.length <= exampleBytes) return imageRow(bytes, file, model)
  throw new RequestError(`${file}: expected an image of at most ${exampleBytes} bytes, got ${bytes.length}`, { status: 413 })
}

function array(bytes: Buffer, file: string, model: ModelFacts): Rows {
  const layout = npyLayout(bytes, bytes.length, file)
  const dims = examplesOf(layout, file, model)
  return rowsOf(layoutTensor(layout, dims, bytes.subarray(layout.offset)), model)
}

/** The examples of a JSON value. @throws InvalidValueError */
export function exampleRowsOf(value: unknown, model: ModelFacts): Rows {
  const { pixels, x } = (Array.isArray(value) ? {} : (value ?? {})) as { readonly pixels?: unknown; readonly x?: unknown }
  const [name, given] = pixels === undefined ? (['x', x] as const) : (['pixels', pixels] as const)
  if (!Array.isArray(given) || (pixels !== undefined && x !== undefined)) {
    throw new InvalidValueError({ what: 'body', expected: '{"pixels": […]} or {"x": […]}', got: value })
  }
  if (name === 'pixels' && !model.pixels) throw new InvalidValueError({ what: 'body', expected: 'x: the model has no pixels', got: name })
  const data = flatNumbers(given, name === 'pixels' ? 'uint8' : 'float32', name)
  const shape = [data.length / model.dim, model.dim]
  if (data.length === 0 || !Number.isInteger(shape[0])) {
    throw new InvalidValueError({ what: name, expected: `${model.dim} numbers for each example`, got: `${data.length} numbers` })
  }
  return data instanceof Uint8Array ? tensor('uint8', shape, data) : tensor('float32', shape, data)
}
