import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fillUniform, sizeOf, streamKey, type Tensor, tensor } from '@niceflow/core'
import { writeIdx, writeNpy, writePng } from '@niceflow/formats'
import { encode as encodeJpeg } from 'jpeg-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { inspectData } from './inspect.ts'
import { type Dataset, loadDataset } from './load.ts'

/** Users' files: what becomes of them, and what is refused. */

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'niceflow-files-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

/** Writes a file, and gives its path. */
function put(name: string, content: string | Uint8Array): string {
  const path = join(dir, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

function noise(...dims: readonly number[]): Tensor<'float32'> {
  const x = tensor('float32', dims)
  fillUniform(streamKey(1, 'probe', 0), x.data, 0, sizeOf(dims))
  return x
}

/** Pixels of images that are all different. */
function pixels(...dims: readonly number[]): Tensor<'uint8'> {
  return tensor(
    'uint8',
    dims,
    Uint8Array.from(noise(...dims).data, (value) => 256 * value),
  )
}

function png(level: number, [height, width]: readonly [number, number] = [4, 3], channels: 1 | 3 | 4 = 1): Uint8Array {
  const data = new Uint8Array(height * width * channels).fill(level)
  if (channels > 1) data[0] = 255 - level
  if (channels === 4) for (let at = 3; at < data.length; at += 4) data[at] = 255
  return writePng({ width, height, channels, data })
}

const csvOf = ({ dims, data }: Tensor<'float32'>): string =>
  Array.from({ length: dims[0]! }, (_, row) => `${data.subarray(row * dims[1]!, (row + 1) * dims[1]!).join(',')}\n`).join('')

const shape = ({ train, test: held }: Dataset): unknown => [train.dtype, train.dims, held.dims]

describe('splits', () => {
  test('a tenth is drawn for testing where the files have none; every row is in one split', async () => {
    const rows = noise(50, 2)
    const { train, test: held, preparation } = await loadDataset(put('t.csv', csvOf(rows)))
    expect([train.dims, held.dims, preparation]).toEqual([[45, 2], [5, 2], { testFraction: 0.1 }])
    const sorted = (data: ArrayLike<number>): number[] => Array.from(data).sort()
    expect(sorted([...train.data, ...held.data])).toEqual(sorted(rows.data))
  })

  test.each([
    [0, [50, 2], [0, 2]],
    [0.5, [25, 2], [25, 2]],
    [1, [0, 2], [50, 2]],
  ])('a share of %d', async (testFraction, train, held) => {
    expect(shape(await loadDataset(put('t.csv', csvOf(noise(50, 2))), { testFraction }))).toEqual(['float32', train, held])
  })

  test.each([
    ['train-images-idx3-ubyte', 't10k-images-idx3-ubyte'],
    ['train.idx', 'test.idx'],
  ])('%s and %s are the splits of a folder', async (train, held) => {
    put(`set/${train}`, writeIdx(pixels(20, 4, 3)))
    put(`set/${held}`, writeIdx(pixels(7, 4, 3)))
    put('set/train-labels-idx1-ubyte', writeIdx(pixels(20)))
    const dataset = await loadDataset(join(dir, 'set/'))
    expect(dataset).toMatchObject({ name: join(dir, 'set'), dim: 12, imageShape: [4, 3] })
    expect([shape(dataset), dataset.preparation]).toEqual([['uint8', [20, 12], [7, 12]], {}])
  })

  test('folders named train and test are, too', async () => {
    for (let i = 0; i < 4; i++) put(`set/train/${i}.png`, png(i))
    put('set/test/0.png', png(9))
    expect(shape(await loadDataset(join(dir, 'set')))).toEqual(['uint8', [4, 12], [1, 12]])
  })

  test('splits of two kinds are refused', async () => {
    put('set/train.csv', csvOf(noise(20, 2)))
    put('set/test.csv', csvOf(noise(20, 3)))
    await expect(loadDataset(join(dir, 'set'))).rejects.toThrow(
      'set: test examples: expected float32 [2], like those for training, got float32 [3]',
    )
    put('set/test.csv', `a,b\n${csvOf(noise(20, 2))}`)
    await expect(loadDataset(join(dir, 'set'))).rejects.toThrow('set: columns for testing: expected no names, got a, b')
  })
})

describe('identity', () => {
  test('is of the numbers, whatever their file, and changes with one of them', async () => {
    const rows = noise(30, 3)
    const [csv, npy] = [put('t.csv', csvOf(rows)), put('t.npy', writeNpy(rows))]
    const { sha256 } = await loadDataset(csv)
    expect(sha256).toMatch(/^[0-9a-f]{64}$/)
    expect((await loadDataset(npy)).sha256).toBe(sha256)
    rows.data[7]! += 1
    expect((await loadDataset(put('t.csv', csvOf(rows)))).sha256).not.toBe(sha256)
    expect((await loadDataset(csv, { testFraction: 0.2 })).sha256).not.toBe(sha256)
  })
})

describe('arrays', () => {
  test.each<[string, Tensor, unknown]>([
    ['float32 [n, d]', noise(20, 3), ['float32', [18, 3], [2, 3]]],
    ['float64 [n, d]', tensor('float64', [20, 3], new Float64Array(noise(20, 3).data)), ['float32', [18, 3], [2, 3]]],
    ['uint8 [n, h, w]', pixels(20, 4, 3), ['uint8', [18, 12], [2, 12]]],
    ['uint8 [n, h, w, 3]', pixels(20, 4, 3, 3), ['uint8', [18, 36], [2, 36]]],
    ['uint8 [n, d]', pixels(20, 5), ['uint8', [18, 5], [2, 5]]],
  ])('%s', async (_, array, expected) => {
    const dataset = await loadDataset(put('a.npy', writeNpy(array)))
    expect(shape(dataset)).toEqual(expected)
    expect(dataset.imageShape).toEqual(array.dims.length > 2 ? array.dims.slice(1) : null)
    if (array.dtype !== 'float64') expect(shape(await loadDataset(put('a-idx', writeIdx(array))))).toEqual(expected)
  })

  test('images of an array are scaled and greyed like those of files', async () => {
    const dataset = await loadDataset(put('a.npy', writeNpy(pixels(20, 8, 8, 3))), { grey: true, resize: [4, 2] })
    expect([shape(dataset), dataset.imageShape]).toEqual([
      ['uint8', [18, 8], [2, 8]],
      [2, 4],
    ])
    expect(dataset.preparation).toEqual({ grey: true, resize: [4, 2], testFraction: 0.1 })
  })

  const nan = noise(5, 2)
  nan.data[7] = Number.NaN
  test.each<[string, Uint8Array, string]>([
    [
      'labels',
      writeIdx(pixels(20)),
      'IDX array: expected images uint8 [n, rows, columns] or [n, rows, columns, 3], or numbers float32 or float64 [n, columns], got uint8 [20]',
    ],
    ['labels.npy', writeNpy(tensor('int64', [20])), 'got int64 [20]'],
    ['a.npy', writeNpy(tensor('int32', [20, 3])), 'got int32 [20, 3]'],
    ['a.npy', writeNpy(noise(20, 4, 3)), 'got float32 [20, 4, 3]'],
    ['a.npy', writeNpy(nan), 'row 4, column 2: expected a finite float32 number, got NaN'],
    ['a.npy', writeNpy(pixels(20, 4, 3, 2)), 'got uint8 [20, 4, 3, 2]'],
    ['a.dat', Uint8Array.of(1, 2, 3, 4), 'a.dat: first bytes: expected those of PNG, JPEG, NPY, IDX or CSV, got 01020304'],
    ['a.csv', new TextEncoder().encode('a,b\n1,x\n'), 'row 1 (line 2), column b: expected a finite float32 number, got x'],
  ])('%s is refused', async (name, bytes, message) => {
    await expect(loadDataset(put(name, bytes))).rejects.toThrow(message)
  })
})

describe('folders of images', () => {
  test('PNG and JPEG, in folders by class, in the order of their names', async () => {
    for (let i = 0; i < 5; i++) put(`scans/zero/${i}.png`, png(20 * i, [4, 3], i === 4 ? 3 : 1))
    const grey = { width: 3, height: 4, data: new Uint8Array(48).fill(200) }
    for (let i = 0; i < 3; i++) put(`scans/one/${i}.jpg`, encodeJpeg(grey, 100).data)
    put('scans/notes.md', 'what they are')
    const warnings: string[] = []
    const dataset = loadDataset(join(dir, 'scans'), { onWarning: (message) => warnings.push(message) })
    await expect(dataset).rejects.toMatchObject({
      message: `${join(dir, 'scans/zero/4.png')}: image: expected grey levels, like ${join(dir, 'scans/zero/0.png')}, got colours`,
      remedy: '--grey makes grey levels of all',
    })
    const { train, test: held, imageShape } = await loadDataset(join(dir, 'scans'), { grey: true, testFraction: 0 })
    expect([train.dims, held.dims, imageShape]).toEqual([
      [8, 12],
      [0, 12],
      [4, 3],
    ])
    expect([0, 3, 4].map((row) => train.data[row * 12 + 11])).toEqual([200, 0, 20])
    expect(warnings).toEqual([`${join(dir, 'scans')}: 1 of 9 files are no examples: left out`])
    const { inspection } = await inspectData(join(dir, 'scans'), { grey: true })
    expect(inspection).toMatchObject({ classes: { one: 3, zero: 5 }, examples: 8, imageShape: [4, 3], columns: null, range: [0, 200] })
  })

  test('of several sizes are refused by the first name, and scaled on request', async () => {
    put('scans/a.png', png(1))
    for (const name of ['b', 'c', 'd']) put(`scans/${name}.png`, png(100, [6, 6]))
    await expect(loadDataset(join(dir, 'scans'))).rejects.toMatchObject({
      message: `${join(dir, 'scans/b.png')}: image size: expected 3 x 4, like ${join(dir, 'scans/a.png')}, got 6 x 6`,
      remedy: '--resize 3x4 scales all of them to one size',
    })
    expect(shape(await loadDataset(join(dir, 'scans'), { resize: [2, 2] }))).toEqual(['uint8', [3, 4], [1, 4]])
  })

  test('all in colour keep their colours, and files of three channels without any are grey', async () => {
    for (let i = 0; i < 4; i++) put(`scans/${i}.png`, png(30 * i, [2, 2], i % 2 ? 3 : 4))
    const { imageShape, train } = await loadDataset(join(dir, 'scans'), { testFraction: 0 })
    expect([imageShape, train.dims]).toEqual([
      [2, 2, 3],
      [4, 12],
    ])
    expect([...train.data.subarray(12, 18)]).toEqual([225, 30, 30, 30, 30, 30])
    for (let i = 0; i < 4; i++) put(`scans/${i}.png`, writePng({ width: 2, height: 1, channels: 3, data: new Uint8Array(6).fill(9 * i) }))
    const grey = await loadDataset(join(dir, 'scans'), { testFraction: 0 })
    expect([grey.imageShape, [...grey.train.data]]).toEqual([
      [1, 2],
      [0, 0, 9, 9, 18, 18, 27, 27],
    ])
  })

  test('what is not opaque is refused', async () => {
    put('scans/a.png', writePng({ width: 1, height: 2, channels: 2, data: Uint8Array.of(1, 255, 2, 7) }))
    await expect(loadDataset(join(dir, 'scans'))).rejects.toThrow(/a\.png: alpha of pixel 1: expected 255 \(opaque\), got 7/)
  })

  test('one image is too few, as are none', async () => {
    const one = put('scans/a.png', png(1))
    for (const path of [one, dirname(one)])
      await expect(loadDataset(path)).rejects.toThrow(`${path}: examples: expected at least 3: two to fit, and one to test on, got 1`)
    rmSync(one)
    await expect(loadDataset(join(dir, 'scans'))).rejects.toThrow('got no file of PNG, JPEG, NPY, IDX or CSV')
    await expect(loadDataset(join(dir, 'elsewhere'))).rejects.toThrow(/elsewhere: cannot be read: ENOENT/)
  })
})

test('a preparation of a dataset of the catalogue is refused', async () => {
  await expect(loadDataset('mnist', { grey: true })).rejects.toThrow('grey: expected data by their path, got the dataset mnist')
})

test('inspecting counts what is missing and what is text, where training refuses it', async () => {
  const rows = noise(40, 2).data
  const lines = Array.from({ length: 40 }, (_, i) => `${i % 3 ? 'cat' : 'dog'},${rows[2 * i]},${i === 5 ? '' : rows[2 * i + 1]},7`)
  const path = put('t.csv', `kind,a,b,c\n${lines.join('\n')}\n`)
  await expect(loadDataset(path)).rejects.toThrow('row 1 (line 2), column kind: expected a finite float32 number, got dog')
  const { inspection, examples } = await inspectData(path)
  expect(examples.dims).toEqual([39, 3])
  expect(inspection).toMatchObject({ examples: 40, dim: 4, type: 'float32', constant: 1, repeated: 0, classes: null })
  expect(inspection.columns!.map(({ name, missing, text, words }) => [name, missing, text, words])).toEqual([
    ['kind', 0, 40, { dog: 14, cat: 26 }],
    ['a', 0, 0, null],
    ['b', 1, 0, null],
    ['c', 0, 0, null],
  ])
  expect(inspection.findings.map(({ what, remedy }) => `${what}: ${remedy}`)).toEqual([
    'column kind holds text in 40 of 40 rows: leave it out: --columns a,b,c',
    'column b has no value in 1 of 40 rows: fill these cells in, or remove the rows',
    'column c is constant: leave out what tells nothing',
  ])
  expect((await loadDataset(path, { columns: ['a', 'c'] })).columns).toEqual(['a', 'c'])
  const { inspection: empty } = await inspectData(put('holes.csv', 'a,b\n1,\n,2\n'))
  expect(empty).toMatchObject({ examples: 2, range: null, constant: 0 })
})

test('labels beside images are counted', async () => {
  put('train-images-idx3-ubyte', writeIdx(pixels(6, 4, 3)))
  put('train-labels-idx1-ubyte', writeIdx(tensor('uint8', [6], Uint8Array.of(1, 0, 1, 1, 2, 0))))
  expect((await inspectData(join(dir, 'train-images-idx3-ubyte'))).inspection.classes).toEqual({ 0: 2, 1: 3, 2: 1 })
})
