import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Manifest, NiceflowError } from '@niceflow/core'
import { loadFlow, readBundle } from '@niceflow/runtime-node'
import { beforeAll, expect, test } from 'vitest'
import { amendBundle, exportBundle, replaceBundle, writeBundle } from './bundle.ts'
import { recipeOf } from './config.ts'
import { at, systemError, withFaults } from './faults.fixture.ts'
import { readLogScale } from './log-scale.ts'
import type { Run } from './run.ts'
import { contentsOf, temporaryFolder, tinyOptions, toyImages, toyRows } from './tiny.fixture.ts'
import { train } from './train.ts'

let run: Run
beforeAll(async () => {
  run = await train({ ...tinyOptions({ training: { epochs: 2 } }), data: toyImages(300) })
})

const read = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'flow.json'), 'utf8')) as Manifest

test('a bundle is the graphs, their one file of weights, and a manifest that tells where they come from', async () => {
  const folder = join(temporaryFolder(), 'toy')
  const manifest = await exportBundle(run, folder)
  expect(readdirSync(folder).sort()).toEqual(['decoder.onnx', 'encoder.onnx', 'flow.json', 'inpainter.onnx', 'weights.bin'])
  expect(read(folder)).toEqual(manifest)
  expect((await readBundle(folder)).manifest).toEqual(manifest)
  expect(manifest).toMatchObject({
    name: 'toy',
    model: { dim: 4, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: [2, 2] },
    provenance: {
      seed: 0,
      dataset: 'toy',
      datasetSha256: 'a'.repeat(64),
      trainingExamples: 250,
      epochs: 2,
      steps: 20,
      engine: 'onnxruntime',
    },
    evaluation: null,
    calibration: null,
  })
  expect(recipeOf(manifest)).toEqual(run.state.recipe)
  expect(Object.keys(manifest.provenance.versions)).toEqual(['niceflow', 'onnxruntime-node'])
})

test('the manifest says s, as the encoder has it; of a bundle that does not, the encoder is asked', async () => {
  const folder = join(temporaryFolder(), 'toy')
  const manifest = await exportBundle(run, folder, { dtypes: ['q8', 'fp32'] })
  const { logScale, ...older } = manifest.model
  const s = run.parameters['scaling/log_scale']!.data
  expect(Float32Array.from(logScale!)).toEqual(s)
  expect(await readLogScale(folder, manifest, 'q8')).toBe(logScale)
  for (const dtype of ['q8', 'fp32'] as const) expect(await readLogScale(folder, { ...manifest, model: older }, dtype)).toEqual(logScale)
})

test('the manifest has its lists of numbers on lines of their own', async () => {
  const folder = join(temporaryFolder(), 'toy')
  await exportBundle(run, folder)
  await amendBundle(folder, { calibration: { split: '[\\n1, 2]', examples: 1, quantiles: [[0.5, -1e-7]] } })
  const text = readFileSync(join(folder, 'flow.json'), 'utf8')
  expect(text).toContain('"imageShape": [2, 2],\n')
  expect(text).toContain('[0.5, -1e-7]\n')
  expect(read(folder).calibration).toEqual({ split: '[\\n1, 2]', examples: 1, quantiles: [[0.5, -1e-7]] })
})

test('the steps of a bundle are those of its epoch, not of its run', async () => {
  const longer: Run = { ...run, state: { ...run.state, epoch: 8, step: 80 } }
  const { provenance } = await exportBundle(longer, join(temporaryFolder(), 'toy'))
  expect(provenance).toMatchObject({ epochs: 2, steps: 20 })
})

test('the same run makes the same bundle, byte by byte', async () => {
  const [a, b] = [join(temporaryFolder(), 'toy'), join(temporaryFolder(), 'toy')]
  await exportBundle(run, a)
  await exportBundle(run, b)
  expect(contentsOf(a)).toEqual(contentsOf(b))
})

test('the bundle scores as training validated', async () => {
  const { state, parameters } = await train(tinyOptions({ training: { epochs: 2, validation: 299 } }))
  const folder = join(temporaryFolder(), 'toy')
  await exportBundle({ state, parameters }, folder)
  const flow = await loadFlow(folder, { device: 'cpu', threads: 1 })
  const { logLikelihood } = await flow.score(toyRows(300, 4))
  await flow.dispose()
  // One of the 300 examples was trained on, the others were validated on: the means differ by its share at most.
  const spread = Math.max(...logLikelihood) - Math.min(...logLikelihood)
  const mean = logLikelihood.reduce((sum, nats) => sum + nats, 0) / 300
  expect(Math.abs(mean - state.best.validation!)).toBeLessThan(spread / 299 + 1e-4)
})

test('what is there is replaced only if it is a bundle and that is asked for', async () => {
  const folder = join(temporaryFolder(), 'toy')
  mkdirSync(folder)
  await exportBundle(run, folder, { name: 'first' })
  const before = contentsOf(folder)
  await expect(exportBundle(run, folder)).rejects.toMatchObject({
    name: 'WriteError',
    message: `folder ${folder}: holds a bundle already`,
    remedy: 'give another --out, or --overwrite it',
    usage: true,
  })
  expect(contentsOf(folder)).toEqual(before)
  await exportBundle(run, folder, { name: 'second', overwrite: true })
  expect(read(folder).name).toBe('second')
  expect(readdirSync(dirname(folder))).toEqual([basename(folder)])
})

test('a folder of other things is never replaced', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'thesis.txt'), 'mine')
  const refusal = { message: `folder ${folder}: exists and is no bundle`, remedy: 'give another --out' }
  await expect(exportBundle(run, folder)).rejects.toMatchObject(refusal)
  await expect(exportBundle(run, folder, { overwrite: true })).rejects.toMatchObject(refusal)
  await expect(exportBundle(run, join(folder, 'thesis.txt'), { overwrite: true })).rejects.toThrow('exists and is no bundle')
  await expect(exportBundle(run, join(folder, 'thesis.txt', 'toy'))).rejects.toThrow('cannot be written')
  expect(contentsOf(folder)).toEqual({ 'thesis.txt': Buffer.from('mine') })
})

test('what is added to a bundle is listed with its checksum, and the rest stays', async () => {
  const folder = join(temporaryFolder(), 'toy')
  const manifest = await exportBundle(run, folder)
  const calibration = { split: 'validation', examples: 2, quantiles: [[0, -2.5] as const, [1, 3.25] as const] }
  const amended = await amendBundle(folder, { calibration }, { 'README.md': '# toy\n', 'samples.png': Uint8Array.of(1, 2, 3) })
  const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  expect(amended).toEqual({
    ...manifest,
    calibration,
    files: {
      ...manifest.files,
      'README.md': { bytes: 6, sha256: sha256('# toy\n') },
      'samples.png': { bytes: 3, sha256: sha256(Uint8Array.of(1, 2, 3)) },
    },
  })
  expect((await readBundle(folder)).manifest).toEqual(amended)
})

test('on a disk that is full at whatever change of files, the earlier bundle stays, and nothing beside it', async () => {
  const folder = join(temporaryFolder(), 'toy')
  const replace = (name: string): Promise<Manifest> => exportBundle(run, folder, { name, overwrite: true })
  await replace('first')
  const changes: string[] = []
  await withFaults(
    (change) => void changes.push(change),
    () => replace('second'),
  )
  const before = contentsOf(folder)
  // To remove takes no space, and what makes names last through a power cut not every system can.
  const taking = changes.flatMap((change, i) => (/^(remove .*|flush the folder)$/.test(change) ? [] : [i + 1]))
  for (const number of taking) {
    const full = at(number, () => {
      throw systemError('ENOSPC')
    })
    const replacing = withFaults(full, () => replace('third'))
    await expect(replacing, changes[number - 1]).rejects.toMatchObject({
      name: 'WriteError',
      message: expect.stringMatching(/^(file|folder) \/.* cannot be written: ENOSPC$/),
    })
    expect(contentsOf(folder)).toEqual(before)
    expect(readdirSync(dirname(folder))).toEqual(['toy'])
  }
  expect(taking.length).toBeGreaterThan(4 * 4)
})

test('only bundles are added to', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'flow.json'), '{}')
  await expect(amendBundle(folder, {})).rejects.toBeInstanceOf(NiceflowError)
  expect(contentsOf(folder)).toEqual({ 'flow.json': Buffer.from('{}') })
})

test('a bundle that cannot be added to keeps checksums that hold', async () => {
  const folder = join(temporaryFolder(), 'toy')
  await exportBundle(run, folder)
  await amendBundle(folder, {}, { 'README.md': 'first', 'notes.txt': 'kept' })
  // The second file fails as a crash would end it: after the first was replaced.
  const failing = amendBundle(folder, { calibration: null }, { 'README.md': 'second', 'no/where.txt': '' })
  await expect(failing).rejects.toThrow('cannot be written: ENOENT')
  const { files } = read(folder)
  for (const [file, { sha256 }] of Object.entries(files)) {
    expect(createHash('sha256').update(contentsOf(folder)[file]!).digest('hex'), file).toBe(sha256)
  }
  expect(Object.keys(files)).toContain('notes.txt')
  expect(contentsOf(folder)['README.md']!.toString()).toBe('second')
  expect((await amendBundle(folder, {}, { 'README.md': 'third' })).files['README.md']!.bytes).toBe(5)
})

test('a bundle takes its name when all is done with it; a failure leaves the earlier one as it was', async () => {
  const folder = join(temporaryFolder(), 'toy')
  await exportBundle(run, folder)
  const before = contentsOf(folder)
  const failing = replaceBundle(folder, { overwrite: true }, async (draft) => {
    await writeBundle(run, draft, { name: 'second', dtypes: ['q8'] })
    throw new NiceflowError('it does not verify')
  })
  await expect(failing).rejects.toThrow('it does not verify')
  expect(contentsOf(folder)).toEqual(before)
  expect(readdirSync(dirname(folder))).toEqual(['toy'])
  await replaceBundle(folder, { overwrite: true }, (draft) => writeBundle(run, draft, { name: 'second', dtypes: ['q8'] }))
  expect(read(folder)).toMatchObject({ name: 'second', dtype: 'q8' })
  await expect(replaceBundle(folder, {}, async () => 'never')).rejects.toThrow('holds a bundle already')
})
