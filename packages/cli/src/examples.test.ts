import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { type ModelFacts, type Tensor, tensor } from '@niceflow/core'
import { writeIdx, writeNpy, writePng } from '@niceflow/formats'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { ahead, blockRows, countExamples, type ReadOptions, readExamples, type Stretch } from './examples.ts'
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

async function read(files: readonly string[], model: ModelFacts = images, options: ReadOptions = {}): Promise<Stretch[]> {
  const stretches: Stretch[] = []
  const paths = files.map((file) => path(file))
  for await (const stretch of readExamples(paths, model, options)) stretches.push(stretch)
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
  expect(stderr.mock.calls.flat()).toEqual([`warning: ${path('folder')}: 1 of 4 files are no examples: left out\n`])
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
  ['two.npy', vectors, 'element type: expected float32 or float64, got uint8', 'convert the array'],
  ['one.png', vectors, 'format: expected NPY or IDX with 6 numbers an example, got PNG', 'the model is not one of images'],
  ['cut-idx3-ubyte', images, 'truncated IDX file of uint8 [3, 2, 3]: expected 34 bytes, got 33', 'copy or download the file again'],
  ['packed.gz', images, 'format: expected IDX, got gzip', 'unpack the file with gunzip first'],
  ['notes.txt', images, 'first bytes: expected those of PNG, JPEG, NPY, IDX or CSV, got 6e6f7465', 'convert the file to one of these'],
  ['nowhere.png', images, 'cannot be read: ENOENT', 'check the path'],
])('%s is refused by its name', async (file, model, message, remedy) => {
  await expect(read([file], model)).rejects.toMatchObject({ message: `${path(file)}: ${message}`, remedy })
})

test('a folder without examples is refused, even by a count', async () => {
  mkdirSync(path('empty'))
  // What macOS leaves in folders begins with zeros, as IDX does.
  writeFileSync(path('empty', '.DS_Store'), Uint8Array.of(0, 0, 0, 1, 0x42, 0x75, 0x64, 0x31))
  const message = `${path('empty')}: expected a PNG, JPEG, NPY, IDX or CSV file in it, got none`
  await expect(read(['empty'])).rejects.toThrow(message)
  await expect(countExamples([path('one.png'), path('empty')], images)).rejects.toThrow(message)
})

test('files of a folder and of those within come in the order of their paths', async () => {
  const names = ['a/2.png', 'a-b.png', 'a.png', 'a/b/1.png', 'B.png', 'c/3.png']
  mkdirSync(path('tree', 'a', 'b'), { recursive: true })
  mkdirSync(path('tree', 'c'))
  for (const name of names) writeFileSync(path('tree', name), png(1))
  symlinkSync(path('one.png'), path('tree', 'linked.png'))
  const files = (await read(['tree'])).flatMap(({ origins }) => origins.map(({ file }) => file))
  expect(files).toEqual([...names, 'linked.png'].map((name) => path('tree', name)).sort())
})

/** Rows that tell their index, in as many blocks as tests of blocks want. */
const many = 2 * blockRows + 500
const numbered = Float32Array.from({ length: 6 * many }, (_, i) => Math.floor(i / 6) / many)

const indicesIn = (stretches: readonly Stretch[]): number[] =>
  stretches.flatMap(({ firstIndex, origins }) => origins.map((_, i) => firstIndex + i))

test('an array is read by blocks, in either order of its elements and of their bytes', async () => {
  const c = writeNpy(tensor('float32', [many, 6], numbered))
  const columns = Float32Array.from(numbered, (_, i) => numbered[6 * (i % many) + Math.floor(i / many)]!)
  const fortran = writeNpy(tensor('float32', [many, 2, 3], columns))
  // "False" and "True ": the header keeps its length.
  fortran.set(Buffer.from('True '), Buffer.from(fortran).indexOf('False'))
  const arrays = { 'c.npy': c, 'fortran.npy': fortran, 'big.idx': writeIdx(tensor('float32', [many, 2, 3], numbered)) }
  for (const [file, bytes] of Object.entries(arrays)) {
    writeFileSync(path(file), bytes)
    const stretches = await read([file])
    expect(stretches.map(({ firstIndex, origins }) => [firstIndex, origins.length])).toEqual([
      [0, blockRows],
      [blockRows, blockRows],
      [2 * blockRows, 500],
    ])
    // Fortran order of [n, 2, 3] is that of [n, 6] with its columns dealt out anew.
    const rows = rowsIn(stretches)
    const at = file === 'fortran.npy' ? [0, 2, 4, 1, 3, 5] : [0, 1, 2, 3, 4, 5]
    expect(rows).toEqual(Array.from({ length: many }, (_, row) => at.map((column) => numbered[6 * row + column])))
  }
})

test('parts of a request hold the rows of the whole, in the same blocks', async () => {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  writeFileSync(path('many.npy'), writeNpy(tensor('uint8', [many, 6])))
  const files = ['one.png', 'many.npy', 'two.npy', 'folder']
  const options = { onBroken: () => {} }
  const whole = await read(files, images, options)
  expect(
    await countExamples(
      files.map((file) => path(file)),
      images,
    ),
  ).toBe(many + 6)
  expect(indicesIn(whole)).toEqual(Array.from({ length: many + 6 }, (_, i) => i))
  for (const edge of [0, blockRows, 2 * blockRows, many + 6]) {
    const parts = [...(await read(files, images, { end: edge })), ...(await read(files, images, { start: edge }))]
    expect(parts).toEqual(whole)
  }
  stderr.mockRestore()
})

test('what is broken is named and left out where that is asked for, and moves no other index', async () => {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  mkdirSync(path('scans'))
  for (const name of ['1', '3', '5']) writeFileSync(path('scans', `${name}.png`), png(Number(name)))
  writeFileSync(path('scans', '2.png'), png(2).subarray(0, 40))
  writeFileSync(path('scans', '4.png'), '')
  writeFileSync(path('scans', '4b.npy'), writeNpy(tensor('uint8', [2, 6])).subarray(0, -1))
  symlinkSync(path('gone.png'), path('scans', '6.png'))
  const holes = tensor('float32', [4, 6])
  holes.data.fill(Number.NaN, 6, 7)
  holes.data.fill(Number.POSITIVE_INFINITY, 23, 24)
  writeFileSync(path('holes.npy'), writeNpy(holes))
  const told: string[] = []
  const onBroken = ({ message }: Error): void => void told.push(message)
  const stretches = await read(['scans', 'holes.npy', 'one.png'], images, { onBroken })
  expect(indicesIn(stretches)).toEqual([0, 2, 4, 6, 8, 10])
  expect(told.map((message) => basename(message.split(': ')[0]!))).toEqual(['4b.npy', '2.png', '4.png', '6.png', 'holes.npy', 'holes.npy'])
  expect(told.slice(-2)).toEqual([
    `row 1 of ${path('holes.npy')}: expected finite numbers, got NaN at 0`,
    `row 3 of ${path('holes.npy')}: expected finite numbers, got Infinity at 5`,
  ])
  await expect(read(['scans'])).rejects.toThrow(/4b\.npy: truncated NPY file/)
  await expect(read(['holes.npy'])).rejects.toThrow(told.at(-2))
  stderr.mockRestore()
})

test('links to folders are followed, but for one to a folder that it lies in', async () => {
  mkdirSync(path('linked', 'a'), { recursive: true })
  symlinkSync(path('folder'), path('linked', 'b'))
  symlinkSync(path('linked'), path('linked', 'a', 'round'))
  writeFileSync(path('linked', 'a', '1.png'), png(1))
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const files = (await read(['linked'])).flatMap(({ origins }) => origins.map(({ file }) => file))
  stderr.mockRestore()
  expect(files).toEqual(['a/1.png', 'b/a.png', 'b/b.png', 'b/inner/c.png'].map((name) => path('linked', name)))
})

test('a folder within that cannot be listed is broken, as a file is', async () => {
  mkdirSync(path('shut', 'in'), { recursive: true })
  writeFileSync(path('shut', '1.png'), png(1))
  chmodSync(path('shut', 'in'), 0)
  chmodSync(path(), 0o755)
  // Permissions do not hold back root.
  const root = process.geteuid?.() === 0
  if (root) process.seteuid!(65534)
  const told: string[] = []
  const stretches = await read(['shut'], images, { onBroken: ({ message }) => void told.push(message) }).finally(() => {
    if (root) process.seteuid!(0)
  })
  expect([indicesIn(stretches), told]).toEqual([[0], [`${path('shut', 'in')}: cannot be read: EACCES`]])
})

test('who stops early ends what is read ahead', async () => {
  let ended = false
  async function* numbers(): AsyncGenerator<number> {
    try {
      for (let i = 0; ; i++) yield i
    } finally {
      ended = true
    }
  }
  for await (const i of ahead(numbers())) if (i === 3) break
  expect(ended).toBe(true)
})

test('an array of no examples is refused', async () => {
  writeFileSync(path('none.npy'), writeNpy(tensor('uint8', [0, 6])))
  await expect(read(['none.npy'])).rejects.toThrow(`${path('none.npy')}: shape: expected [n, 6] or [n, 2, 3], got [0, 6]`)
})
