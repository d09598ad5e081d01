import { mkdirSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { type ModelFacts, type Tensor, tensor } from '@niceflow/core'
import { writeIdx, writeNpy, writePng } from '@niceflow/formats'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { readExamples, type Stretch } from './examples.ts'
import { workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

/** A model of images of 2 rows and 3 columns. */
const images: ModelFacts = { dim: 6, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: [2, 3] }
const vectors: ModelFacts = { ...images, pixels: false, imageShape: null }

const pixels = (count: number, first = 0): Uint8Array => Uint8Array.from({ length: 6 * count }, (_, i) => first + i)
const png = (first: number, width = 3, height = 2): Uint8Array =>
  writePng({ width, height, channels: 1, data: Uint8Array.from({ length: width * height }, (_, i) => first + i) })

beforeAll(() => {
  mkdirSync(path('folder', 'inner'), { recursive: true })
  const files: Readonly<Record<string, Uint8Array>> = {
    'one.png': png(1),
    'large.png': png(1, 4, 2),
    'clear.png': writePng({ width: 3, height: 2, channels: 2, data: new Uint8Array(12) }),
    'two.npy': writeNpy(tensor('uint8', [2, 6], pixels(2))),
    'single.npy': writeNpy(tensor('uint8', [2, 3], pixels(1))),
    'floats.npy': writeNpy(tensor('float64', [1, 6], Float64Array.of(0, 0.25, 0.5, 0.75, 1, 0.125))),
    'far.npy': writeNpy(tensor('float32', [1, 6], Float32Array.of(0, 17, 99, 200, 255, -1))),
    'long.npy': writeNpy(tensor('float32', [2, 7])),
    'labels.npy': writeNpy(tensor('int64', [1, 6])),
    'images-idx3-ubyte': writeIdx(tensor('uint8', [3, 2, 3], pixels(3))),
    'cut-idx3-ubyte': writeIdx(tensor('uint8', [3, 2, 3], pixels(3))).subarray(0, -1),
    'packed.gz': Uint8Array.of(0x1f, 0x8b, 8, 0),
    'notes.txt': new TextEncoder().encode('notes'),
    'folder/b.png': png(20),
    'folder/a.png': png(10),
    'folder/notes.txt': new TextEncoder().encode('notes'),
    'folder/inner/c.png': png(30),
  }
  for (const [file, bytes] of Object.entries(files)) writeFileSync(path(file), bytes)
})

async function read(files: readonly string[], model: ModelFacts = images): Promise<Stretch[]> {
  const stretches: Stretch[] = []
  for await (const stretch of readExamples(
    files.map((file) => path(file)),
    model,
  ))
    stretches.push(stretch)
  return stretches
}

const rowsIn = (stretches: readonly Stretch[]): number[][] =>
  stretches.flatMap(({ x, origins }) => origins.map((_, row) => Array.from((x as Tensor).data.subarray(6 * row, 6 * row + 6), Number)))

test.each([
  ['one.png', [[1, 2, 3, 4, 5, 6]]],
  ['two.npy', [Array.from(pixels(1)), Array.from(pixels(1, 6))]],
  ['single.npy', [Array.from(pixels(1))]],
  ['images-idx3-ubyte', [0, 6, 12].map((first) => Array.from(pixels(1, first)))],
  ['floats.npy', [[0, 0.25, 0.5, 0.75, 1, 0.125]]],
])('%s is read as rows of the model', async (file, rows) => {
  expect(rowsIn(await read([file]))).toEqual(rows)
})

test('a folder is read whole, by name, and says what it leaves out', async () => {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const stretches = await read(['folder'])
  expect(stderr.mock.calls.flat()).toEqual([`warning: ${path('folder')}: 1 of 4 files are not PNG, NPY or IDX: left out\n`])
  stderr.mockRestore()
  expect(rowsIn(stretches).map(([first]) => first)).toEqual([10, 20, 30])
  expect(stretches).toHaveLength(1)
})

test('rows keep their order and their origins, and only what has the same type is put together', async () => {
  const stretches = await read(['one.png', 'two.npy', 'floats.npy', 'one.png'])
  expect(stretches.map(({ x, origins }) => [x.dtype, ...origins.map(({ file, row }) => `${basename(file)}[${row}]`)])).toEqual([
    ['uint8', 'one.png[0]', 'two.npy[0]', 'two.npy[1]'],
    ['float32', 'floats.npy[0]'],
    ['uint8', 'one.png[0]'],
  ])
})

test('floats beyond the data range are read, with a warning', async () => {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  await read(['far.npy'])
  expect(stderr.mock.calls.flat()).toEqual([`warning: ${path('far.npy')}: values from -1 to 255 leave the model's data range [0, 1]\n`])
  stderr.mockRestore()
})

test.each([
  ['large.png', images, 'image size: expected 3 x 2, got 4 x 2', 'scale the image to that size'],
  ['clear.png', images, 'alpha of pixel 0: expected 255 (opaque), got 0', 'flatten the image on a background first'],
  ['long.npy', images, 'shape: expected [n, 6] or [n, 2, 3], got [2, 7]', 'give examples of the size that the model was trained on'],
  ['long.npy', vectors, 'shape: expected [n, 6], got [2, 7]', 'give examples of the size that the model was trained on'],
  ['labels.npy', images, 'element type: expected uint8 pixels, or float32 or float64 on [0, 1], got int64', 'convert the array'],
  ['two.npy', vectors, 'element type: expected float32 or float64 on [0, 1], got uint8', 'convert the array'],
  ['one.png', vectors, 'format: expected NPY or IDX with 6 numbers an example, got PNG', 'the model is not one of images'],
  ['cut-idx3-ubyte', images, 'truncated IDX file of uint8 [3, 2, 3]: expected 34 bytes, got 33', 'copy or download the file again'],
  ['packed.gz', images, 'format: expected IDX, got gzip', 'unpack the file with gunzip first'],
  ['notes.txt', images, 'first bytes: expected those of PNG, NPY or IDX, got 6e6f7465', 'convert the file to one of these'],
  ['nowhere.png', images, 'cannot be read: ENOENT', 'check the path'],
])('%s is refused by its name', async (file, model, message, remedy) => {
  await expect(read([file], model)).rejects.toMatchObject({ message: `${path(file)}: ${message}`, remedy })
})

test('a folder without examples is refused', async () => {
  mkdirSync(path('empty'))
  await expect(read(['empty'])).rejects.toThrow(`${path('empty')}: expected a PNG, NPY or IDX file in it, got none`)
})
