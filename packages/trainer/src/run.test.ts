import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { asPlainUser } from './faults.fixture.ts'
import type { TrainProgress } from './fit.ts'
import { lockFile } from './lock.ts'
import { readRun } from './run.ts'
import { checkpoints, contentsOf, temporaryFolder, tinyOptions, toyRows } from './tiny.fixture.ts'
import { type TrainOptions, train } from './train.ts'
import { trained } from './trained.fixture.ts'

const home = mkdtempSync(join(tmpdir(), 'niceflow-'))
beforeAll(async () => void (await train({ ...tinyOptions(), out: join(home, 'run') })))
afterAll(() => rmSync(home, { recursive: true }))

test('a run that was killed between any two writes of an epoch is resumed to the same checkpoints', async () => {
  const { out, options, whole } = await trained()
  // The best of epoch 3 is there, the last of epoch 3 is not yet; and what it was written to is left over.
  rmSync(join(out, 'last.safetensors'))
  const { pid } = spawnSync(process.execPath, ['--version'])
  // In a container the process has the same number every time.
  for (const number of [pid, process.pid]) {
    const left = ['next.safetensors', 'history.json', lockFile, 'samples.png', 'probe'].map((file) => `${file}.${number}.tmp`)
    for (const file of [...left, `notes.${number}.tmp`]) writeFileSync(join(out, file), 'half')
    for (const folder of [`bundle.${number}.tmp`, `bundle.${number}.tmp.${number}.tmp`, `mine.${number}.tmp`])
      mkdirSync(join(out, folder, 'files'), { recursive: true })
  }
  expect((await readRun(out)).state.epoch).toBe(3)
  await train(options)
  expect(checkpoints(out)).toEqual(whole)
  const others = [pid, process.pid].flatMap((number) => [`mine.${number}.tmp`, `notes.${number}.tmp`])
  expect(readdirSync(out).filter((file) => file.endsWith('.tmp'))).toEqual(others.sort())
})

test.each([
  ['its best weights', ['best.safetensors'], 3],
  ['the best weights of its first epoch, and its history', ['best.safetensors', 'history.json'], 1],
  ['a snapshot', ['epoch-0003.safetensors'], 3],
])('what is left of a run is not begun anew over unless that is asked for: %s', async (_, left, epoch) => {
  const { out, options, run } = await trained({ training: { saveEvery: 3 } })
  await writeCheckpoint(join(out, 'best.safetensors'), { state: { ...run.state, epoch }, arrays: run.parameters })
  for (const file of readdirSync(out)) if (!left.includes(file)) rmSync(join(out, file))
  const files = contentsOf(out)
  await expect(train(options)).rejects.toMatchObject({
    name: 'CheckpointError',
    message: `run ${out}: no checkpoint to go on from: last.safetensors and previous.safetensors are missing, and the run came to epoch 3`,
    remedy: 'copy one back from elsewhere, --overwrite the run, or give another --out',
    usage: false,
  })
  expect(contentsOf(out)).toEqual(files)
})

test('a run that was killed in its first epoch is begun anew', async () => {
  const { out, options, whole } = await trained({ training: { epochs: 1, saveEvery: 1 } })
  rmSync(join(out, 'last.safetensors'))
  await train(options)
  expect(checkpoints(out)).toEqual(whole)
})

test.each<[string, TrainOptions, string]>([
  ['another schedule', tinyOptions({ training: { schedule: 'cosine' } }), 'training.schedule is "constant", now "cosine"'],
  ['a longer one', tinyOptions({ training: { epochs: 9 } }), 'training.epochs is 3, now 9'],
  ['another learning rate', tinyOptions({ training: { learningRate: 1 } }), 'training.learningRate is 0.01, now 1'],
  ['another seed', tinyOptions({ training: { seed: 5 } }), 'training.seed is 0, now 5'],
  ['other held-out examples', tinyOptions({ training: { validation: 60 } }), 'training.validation is 50, now 60'],
  ['a deeper architecture', tinyOptions({ flow: { couplings: 4 } }), 'flow.couplings is 3, now 4'],
  ['a wider one', tinyOptions({ flow: { hiddenDim: 9 } }), 'flow.hiddenDim is 8, now 9'],
  ['another law', tinyOptions({ flow: { law: 'affine' } }), 'flow.law is "additive", now "affine"'],
  ['another partition', tinyOptions({ flow: { partition: [0, 1] } }), 'flow.partition is "even-odd", now [0,1]'],
  ['data of another dimension', { ...tinyOptions(), data: toyRows(300, 5) }, 'flow.dim is 4, now 5'],
  ['other data', { ...tinyOptions(), data: toyRows(300, 4, 9) }, 'data.sha256 is "'],
  ['fewer data', { ...tinyOptions(), data: toyRows(290, 4) }, 'data.sha256 is "'],
])('a run is not resumed with %s, and is left as it is', async (_, options, difference) => {
  const out = join(home, 'run')
  const files = contentsOf(out)
  await expect(train({ ...options, out, resume: true })).rejects.toMatchObject({
    name: 'CheckpointError',
    message: expect.stringContaining(`run ${out}: its ${difference}`),
    remedy: 'resume with the recipe and data that it began with, or give another --out, or --overwrite it',
    usage: false,
  })
  expect(contentsOf(out)).toEqual(files)
})

test('a folder that holds a run is not written to unless that is asked for', async () => {
  const out = temporaryFolder()
  await train({ ...tinyOptions(), out })
  const files = contentsOf(out)
  await expect(train({ ...tinyOptions(), out })).rejects.toMatchObject({
    name: 'CheckpointError',
    message: `run ${out}: the folder holds a run already`,
    remedy: '--resume goes on with it, --overwrite begins again',
    usage: true,
  })
  expect(contentsOf(out)).toEqual(files)
})

test('to overwrite a run is to remove its files, and no others', async () => {
  const [out, fresh] = [temporaryFolder(), temporaryFolder()]
  await train({ ...tinyOptions({ training: { saveEvery: 1, seed: 3 } }), out })
  writeFileSync(join(out, 'notes.txt'), 'mine')
  writeFileSync(join(out, 'samples.png'), 'picture')
  mkdirSync(join(out, 'bundle'))
  await train({ ...tinyOptions(), out, overwrite: true })
  await train({ ...tinyOptions(), out: fresh })
  expect(readdirSync(out)).toEqual([...readdirSync(fresh), 'bundle', 'notes.txt'].sort())
  expect(checkpoints(out)).toEqual(checkpoints(fresh))
})

test('a folder that cannot be written to is found out before training', async () => {
  const file = join(temporaryFolder(), 'file')
  writeFileSync(file, 'kept')
  const told: TrainProgress[] = []
  const training = train({ ...tinyOptions(), out: file, onProgress: (progress) => told.push(progress) })
  await expect(training).rejects.toMatchObject({ name: 'WriteError', message: `folder ${file} cannot be written: EEXIST` })
  expect(told).toEqual([])
})

test.each<[string, TrainOptions]>([
  ['more held out than there is', tinyOptions({ training: { validation: 300 } })],
  ['a rate that diverges at once', tinyOptions({ training: { learningRate: 1e4 } })],
])('a run that cannot take its place leaves the one that it was to overwrite: %s', async (_, options) => {
  const out = temporaryFolder()
  await train({ ...tinyOptions(), out })
  const files = contentsOf(out)
  await expect(train({ ...options, out, overwrite: true })).rejects.toThrow()
  expect(contentsOf(out)).toEqual(files)
})

test("a folder's own history.json is not taken for a run's", async () => {
  const out = temporaryFolder()
  writeFileSync(join(out, 'history.json'), 'mine')
  const message = `run ${out}: the folder holds a history.json that is no run's`
  await expect(train({ ...tinyOptions(), out, overwrite: true })).rejects.toMatchObject({ name: 'CheckpointError', message, usage: true })
  expect(contentsOf(out)).toEqual({ 'history.json': Buffer.from('mine') })
})

test('the best weights of one run do not take the state of another that lies beside them', async () => {
  const [out, other] = [temporaryFolder(), temporaryFolder()]
  const { state } = await train({ ...tinyOptions(), out })
  await train({ ...tinyOptions({ training: { seed: 5, epochs: 4 } }), out: other })
  copyFileSync(join(other, 'last.safetensors'), join(out, 'last.safetensors'))
  const read = await readRun(out)
  expect(read.state.recipe).toEqual(state.recipe)
  expect(read.state.epoch).toBe(state.best.epoch)
})

test('a checkpoint without moments is not gone on from', async () => {
  const out = temporaryFolder()
  await train({ ...tinyOptions({ training: { epochs: 2 } }), out })
  const { state, arrays } = await readCheckpoint(join(out, 'best.safetensors'))
  const config = tinyOptions({ training: { epochs: 2 } })
  await writeCheckpoint(join(out, 'last.safetensors'), { state: { ...state, epoch: 1 }, arrays })
  await expect(train({ ...config, out, resume: true })).rejects.toThrow(`run ${out}: its last checkpoint lacks the array "first_moment/`)
})

test('a checkpoint of other arrays than its recipe has is not gone on from', async () => {
  const { out, options } = await trained()
  const file = join(out, 'last.safetensors')
  const { state, arrays } = await readCheckpoint(file)
  const [name] = Object.keys(arrays) as [string]
  await writeCheckpoint(file, { state: { ...state, epoch: 1 }, arrays: { ...arrays, [name]: toyRows(1, 2) } })
  await expect(train(options)).rejects.toThrow(`run ${out}: its last checkpoint: array "${name}": expected shape [`)
})

test('the best weights of another run are not resumed with', async () => {
  const { out, options } = await trained()
  const { out: other } = await trained({ flow: { hiddenDim: 9 } })
  copyFileSync(join(other, 'best.safetensors'), join(out, 'best.safetensors'))
  await expect(train(options)).rejects.toThrow(`run ${out}: its flow.hiddenDim is 9, now 8 is asked for`)
})

test('one process at a time trains in a folder, and a failure gives it back', async () => {
  const out = temporaryFolder()
  const first = train({ ...tinyOptions(), out })
  await vi.waitFor(() => expect(readdirSync(out)).toContain(lockFile), { interval: 1 })
  await expect(train({ ...tinyOptions(), out, overwrite: true })).rejects.toMatchObject({
    name: 'LockedError',
    message: `run ${out}: process ${process.pid} is training in it`,
  })
  await first
  await expect(train({ ...tinyOptions(), out })).rejects.toThrow('the folder holds a run already')
  await expect(train({ ...tinyOptions({ training: { learningRate: 1e4 } }), out, overwrite: true })).rejects.toThrow('diverged')
  expect(readdirSync(out)).not.toContain(lockFile)
})

test('a folder without a run is said to be one, and one without the right to write to be that', async () => {
  const dir = temporaryFolder()
  await expect(readRun(dir)).rejects.toMatchObject({ name: 'CheckpointError', remedy: 'check the path, or train first' })
  chmodSync(dir, 0o555)
  const message = `folder ${dir} cannot be written: EACCES`
  await asPlainUser(() => expect(train({ ...tinyOptions(), out: dir })).rejects.toMatchObject({ name: 'WriteError', message }))
  expect(readdirSync(dir)).toEqual([])
})
