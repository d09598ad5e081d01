import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import { tensor } from '@niceflow/core'
import { writeIdx, writeMat } from '@niceflow/formats'
import { packTar } from 'modern-tar'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { catalogue, type DatasetFile } from './catalogue.ts'
import { describeDataset } from './describe.ts'
import { readImages } from './images.ts'
import { loadDataset } from './load.ts'
import { contentsReader, dataFolder, findFile, wantedPath } from './places.ts'

// Files as small as they can be, byte for byte of the form that the originals have.

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'niceflow-images-'))
})
afterEach(() => rm(dir, { recursive: true }))

/** A level that tells image, row, column and channel apart. */
const level = (image: number, row: number, column: number, channel: number): number =>
  (97 * image + 7 * row + 3 * column + 50 * channel) % 256

/** Two images as the catalogue's formats hold them, and as they come out: [n, rows, columns, channels]. */
const interleaved = Array.from({ length: 2 * 3072 }, (_, at) =>
  level(Math.floor(at / 3072), Math.floor(at / 96) % 32, Math.floor(at / 3) % 32, at % 3),
)

/** SVHN's X: MATLAB's axes are rows, columns, channels, images; a tensor has them in reverse. */
function svhnFile(count = 2, dtype: 'uint8' | 'float64' = 'uint8'): Uint8Array {
  const X = tensor(dtype, [count, 3, 32, 32])
  for (let at = 0; at < X.data.length; at++) {
    X.data[at] = level(Math.floor(at / 3072), at % 32, Math.floor(at / 32) % 32, Math.floor(at / 1024) % 3)
  }
  return writeMat({ X, y: tensor('uint8', [1, count]) }, deflateSync)
}

test('SVHN: the colours of a pixel side by side', () => {
  const { dims, data } = readImages(svhnFile(), 'train_32x32.mat', catalogue.svhn!, 'train')
  expect(dims).toEqual([2, 3072])
  expect([...data]).toEqual(interleaved)
})

test('CIFAR-10: the same, out of planes that run row by row', () => {
  const planes = Array.from({ length: 2 }, (_, image) => [
    image,
    ...Array.from({ length: 3072 }, (_, at) => level(image, Math.floor(at / 32) % 32, at % 32, Math.floor(at / 1024))),
  ])
  const { dims, data } = readImages(Uint8Array.from(planes.flat()), 'data_batch_1.bin', catalogue.cifar10!, 'train')
  expect(dims).toEqual([2, 3072])
  expect([...data]).toEqual(interleaved)
})

/** TFD: images [n, 48, 48], and the fold of each in the first of five columns. */
function tfdFile(folds: readonly number[]): Uint8Array {
  const count = folds.length
  const images = tensor('uint8', [48, 48, count])
  for (let at = 0; at < images.data.length; at++) {
    images.data[at] = level(at % count, Math.floor(at / count) % 48, Math.floor(at / count / 48), 0)
  }
  const columns = tensor(
    'int32',
    [5, count],
    Int32Array.from({ length: 5 * count }, (_, at) => (at < count ? folds[at]! : 1)),
  )
  return writeMat({ labs_ex: tensor('int32', [1, count]), images, folds: columns }, deflateSync)
}

test('TFD: the unlabelled images are to train on, those of the fourth kind to test on', () => {
  const bytes = tfdFile([0, 3, 1, 0, 2])
  const first = (split: 'train' | 'test'): number[] => {
    const { dims, data } = readImages(bytes, 'TFD_48x48.mat', catalogue.tfd!, split)
    expect(dims[1]).toBe(2304)
    return Array.from({ length: dims[0]! }, (_, i) => data[i * 2304 + 48 + 2]!)
  }
  expect(first('train')).toEqual([0, 3].map((image) => level(image, 1, 2, 0)))
  expect(first('test')).toEqual([level(1, 1, 2, 0)])
})

test.each<[string, Uint8Array, string, string]>([
  [
    'svhn',
    writeMat({ X: tensor('uint8', [2, 3, 16, 16]) }),
    'images: expected uint8 [n, 32, 32, 3], got uint8 [2, 16, 16, 3]',
    'images of another size',
  ],
  ['svhn', svhnFile(1, 'float64'), 'images: expected uint8 [n, 32, 32, 3], got float64 [1, 32, 32, 3]', 'numbers'],
  ['svhn', writeMat({ X: tensor('uint8', [3, 32, 32]) }), 'variable X: expected 4 axes, got [32, 32, 3]', 'one image'],
  ['svhn', writeMat({ y: tensor('uint8', [1, 2]) }), 'variables: expected X, got y', 'labels alone'],
  [
    'tfd',
    writeMat({ images: tensor('uint8', [48, 48, 2]), folds: tensor('int32', [1, 1]) }),
    'folds: expected one for each of 2 images, got 1',
    'too few folds',
  ],
  ['fashion-mnist', writeIdx(tensor('uint8', [5])), 'images: expected uint8 [n, 28, 28], got uint8 [5]', 'labels'],
  ['mnist', writeIdx(tensor('uint8', [5, 14, 14])), 'images: expected uint8 [n, 28, 28], got uint8 [5, 14, 14]', 'other sizes'],
])('%s: %s is refused (%#)', (name, bytes, message) => {
  expect(() => readImages(bytes, 'f', catalogue[name]!, 'train')).toThrow(`f: ${message}`)
})

const batch = catalogue.cifar10!.files.train[0]!
const read = (file: DatasetFile, name: string): Promise<Uint8Array> =>
  contentsReader('get another')(findFile(name, catalogue[name]!, file, dir)!)

test('files are read as they are, packed by gzip, or within their archive, packed or unpacked', async () => {
  const { downloads } = catalogue.cifar10!
  const member = `cifar-10-batches-bin/${batch.name}`
  const body = Uint8Array.of(1, 2, 3)
  const archive = await packTar([
    { header: { name: 'cifar-10-batches-bin/', type: 'directory', size: 0 } },
    { header: { name: 'cifar-10-batches-bin/readme.html', size: 2 }, body: 'hi' },
    { header: { name: member, size: 3 }, body },
  ])
  await writeFile(join(dir, 'cifar-10-binary.tar.gz'), gzipSync(archive))
  expect(await read(batch, 'cifar10')).toEqual(body)
  await expect(read(catalogue.cifar10!.files.test[0]!, 'cifar10')).rejects.toMatchObject({
    message: `${join(dir, 'cifar-10-binary.tar.gz')}: expected cifar-10-batches-bin/test_batch.bin in it, got none`,
    remedy: 'get another',
  })
  await mkdir(join(dir, downloads[0]!.folder!))
  await writeFile(join(dir, member), Uint8Array.of(4))
  expect([...(await read(batch, 'cifar10'))]).toEqual([4])
  const images = catalogue['fashion-mnist']!.files.train[0]!
  await writeFile(join(dir, `${images.name}.gz`), gzipSync(Uint8Array.of(5)))
  expect([...(await read(images, 'fashion-mnist'))]).toEqual([5])
})

test('an archive or a file that was cut is refused by its name', async () => {
  await writeFile(join(dir, 'cifar-10-binary.tar.gz'), gzipSync(new Uint8Array(2000)).subarray(0, 20))
  await expect(read(batch, 'cifar10')).rejects.toThrow(/cifar-10-binary\.tar\.gz: cannot be unpacked: unexpected end of file$/)
  await expect(loadDataset('cifar10', { dir })).rejects.toMatchObject({
    remedy: 'niceflow data fetch cifar10, or name the folder of an intact copy',
  })
  expect((await describeDataset('cifar10', { dir })).files[0]).toMatchObject({
    path: join(dir, 'cifar-10-binary.tar.gz'),
    state: 'damaged',
  })
})

test('a file that is intact by its form and not the one known is refused; where none is known, what is found is the identity', async () => {
  await writeFile(join(dir, 'train_32x32.mat'), svhnFile())
  await expect(loadDataset('svhn', { dir })).rejects.toThrow(/train_32x32\.mat: SHA-256: expected 435e94d6.*, got /)
  await writeFile(join(dir, 'TFD_48x48.mat'), tfdFile([0, 3, 0]))
  const { train, test, imageShape, sha256 } = await loadDataset('tfd', { dir })
  expect([train.dims, test.dims, imageShape]).toEqual([
    [2, 2304],
    [1, 2304],
    [48, 48],
  ])
  await writeFile(join(dir, 'TFD_48x48.mat'), tfdFile([0, 3, 3]))
  expect((await loadDataset('tfd', { dir })).sha256).not.toBe(sha256)
  const [file] = (await describeDataset('tfd', { dir })).files
  expect(file).toMatchObject({ state: 'checksum unknown', found: expect.stringMatching(/^[0-9a-f]{64}$/) })
})

test('what is missing is named as its publisher names it, and where it goes', async () => {
  const entry = catalogue['fashion-mnist']!
  expect(wantedPath('fashion-mnist', entry, entry.files.train[0]!, dir)).toBe(join(dir, 'train-images-idx3-ubyte.gz'))
  expect(wantedPath('cifar10', catalogue.cifar10!, batch, dir)).toBe(join(dir, 'cifar-10-binary.tar.gz'))
  await expect(loadDataset('svhn', { dir })).rejects.toMatchObject({
    message: `${join(dir, 'train_32x32.mat')}: cannot be read: ENOENT: no such file`,
    remedy: 'niceflow data fetch svhn, or name the folder of an intact copy',
  })
  await expect(loadDataset('fashion-mnist', { dir })).rejects.toMatchObject({
    remedy: 'niceflow data fetch fashion-mnist, apt install dataset-fashion-mnist, or name the folder of an intact copy',
  })
})

test('NICEFLOW_DATA names the folder of datasets, else that of caches holds it', () => {
  expect(dataFolder('svhn', { NICEFLOW_DATA: '/data', NICEFLOW_CACHE: '/caches' })).toBe(join('/data', 'svhn'))
  expect(dataFolder('svhn', { NICEFLOW_CACHE: '/caches' })).toBe(join('/caches', 'data', 'svhn'))
  expect(dataFolder('svhn', { XDG_CACHE_HOME: '/x' })).toBe(join('/x', 'niceflow', 'data', 'svhn'))
})
