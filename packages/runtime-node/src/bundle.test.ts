import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProgressInfo } from '@niceflow/runtime'
import { describe, expect, test } from 'vitest'
import { type BundleOptions, readBundle } from './index.ts'
import { failure, temporaryFolder, tinyManifest, writeBundle } from './tiny.fixture.ts'

test('a sound bundle gives its manifest and where the variant’s files are', async () => {
  const dir = writeBundle()
  expect(await readBundle(dir)).toEqual({
    dir,
    manifest: tinyManifest,
    dtype: 'fp32',
    paths: { encoder: join(dir, 'encoder.onnx'), decoder: join(dir, 'decoder.onnx'), weights: join(dir, 'weights.bin') },
  })
})

test('the folder may be a link, and so may a file within it', async () => {
  const dir = writeBundle()
  renameSync(join(dir, 'encoder.onnx'), join(dir, 'first.onnx'))
  symlinkSync('first.onnx', join(dir, 'encoder.onnx'))
  const link = join(temporaryFolder(), 'link')
  symlinkSync(dir, link)
  expect((await readBundle(link)).manifest).toEqual(tinyManifest)
})

test('progress tells each file’s bytes as they are read, to a hundred percent', async () => {
  const heard: ProgressInfo[] = []
  await readBundle(writeBundle(), { progress_callback: (info) => heard.push(info) })
  const file = (name: string, total: number) => [
    { status: 'initiate', name: 'tiny', file: name, loaded: 0, total, progress: 0 },
    { status: 'progress', name: 'tiny', file: name, loaded: total, total, progress: 100 },
    { status: 'done', name: 'tiny', file: name, loaded: total, total, progress: 100 },
  ]
  const sizes = ['encoder.onnx', 'decoder.onnx', 'weights.bin'].map((name) => [name, tinyManifest.files[name]!.bytes] as const)
  expect(heard).toEqual(sizes.flatMap(([name, bytes]) => file(name, bytes)))
})

function flipByte(path: string): void {
  const bytes = readFileSync(path)
  bytes[3]! ^= 1
  writeFileSync(path, bytes)
}

const again = 'copy the whole bundle again, or export it anew'
const anew = 'export the bundle again'

/** Each is one line that names the file and the way out; DIR stands for the bundle's folder. */
describe('a bundle is refused', () => {
  test.each<[string, (dir: string) => void, message: string, remedy: string, BundleOptions?]>([
    [
      'that has no manifest',
      (dir) => rmSync(join(dir, 'flow.json')),
      'DIR: not a bundle: it has no flow.json',
      'name a folder that niceflow export wrote',
    ],
    [
      'that is not there',
      (dir) => rmSync(dir, { recursive: true }),
      'DIR: not a bundle: it has no flow.json',
      'name a folder that niceflow export wrote',
    ],
    ['whose manifest is cut short', (dir) => truncateSync(join(dir, 'flow.json'), 10), 'DIR/flow.json: not JSON: ', anew],
    [
      'of a newer format',
      (dir) => writeFileSync(join(dir, 'flow.json'), JSON.stringify({ ...tinyManifest, formatVersion: 2 })),
      'DIR/flow.json: format version 2, this niceflow reads up to 1',
      'update niceflow',
    ],
    [
      'whose manifest names a file outside of its folder',
      (dir) => {
        const variants = { fp32: { encoder: '../encoder.onnx', decoder: 'decoder.onnx', weights: 'weights.bin' } }
        writeFileSync(join(dir, 'flow.json'), JSON.stringify({ ...tinyManifest, variants }))
      },
      'DIR/flow.json: variants.fp32.encoder: expected a plain file name inside the bundle folder',
      anew,
    ],
    [
      'whose file is a link that leaves it',
      (dir) => {
        const outside = join(temporaryFolder(), 'weights.bin')
        renameSync(join(dir, 'weights.bin'), outside)
        symlinkSync(outside, join(dir, 'weights.bin'))
      },
      "DIR/weights.bin: a link that leaves the bundle's folder, to ",
      'put the file itself there',
    ],
    [
      'whose file is not listed',
      (dir) => writeFileSync(join(dir, 'flow.json'), JSON.stringify({ ...tinyManifest, files: {} })),
      'DIR/flow.json: files: encoder.onnx is part of variant fp32 and is not listed',
      anew,
    ],
    ['that lacks a file', (dir) => rmSync(join(dir, 'decoder.onnx')), 'DIR/decoder.onnx: missing', again],
    [
      'that has a folder for a file',
      (dir) => {
        rmSync(join(dir, 'decoder.onnx'))
        mkdirSync(join(dir, 'decoder.onnx'))
      },
      'DIR/decoder.onnx: not a file',
      again,
    ],
    [
      'with a truncated file',
      (dir) => truncateSync(join(dir, 'weights.bin'), 12),
      'DIR/weights.bin: expected 16 bytes, got 12',
      again,
      { verify: false },
    ],
    ['with a longer file', (dir) => appendFileSync(join(dir, 'weights.bin'), 'x'), 'DIR/weights.bin: expected 16 bytes, got 17', again],
    [
      'with a flipped byte',
      (dir) => flipByte(join(dir, 'weights.bin')),
      `DIR/weights.bin: its content has changed: expected SHA-256 ${tinyManifest.files['weights.bin']!.sha256}, got `,
      again,
    ],
    [
      'without the storage type that is asked for',
      () => undefined,
      'dtype of DIR/flow.json: expected fp32, got q8',
      'choose one that the bundle has, or export it again with this one',
      { dtype: 'q8' },
    ],
  ])('%s', async (_, spoil, message, remedy, options) => {
    const dir = writeBundle()
    spoil(dir)
    const error = await failure(readBundle(dir, options))
    expect(error.message.replaceAll(dir, 'DIR')).toContain(message)
    expect(error.message).not.toContain('\n')
    expect(error.remedy).toBe(remedy)
  })
})

test('a flipped byte passes only where it was said not to look', async () => {
  const dir = writeBundle()
  flipByte(join(dir, 'weights.bin'))
  expect((await readBundle(dir, { verify: false })).manifest.name).toBe('tiny')
})
