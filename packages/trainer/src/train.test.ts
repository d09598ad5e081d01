import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import type { TrainProgress } from './fit.ts'
import { readHistory } from './history.ts'
import { contentsOf, temporaryFolder, tinyOptions, toyImages, toyRows } from './tiny.fixture.ts'
import { readRun, type TrainOptions, train } from './train.ts'

/** What a run must have in common with the run that it repeats: everything but clock time. */
function checkpoints(folder: string): Record<string, Buffer> {
  return Object.fromEntries(Object.entries(contentsOf(folder)).filter(([file]) => file.endsWith('.safetensors')))
}

/** Stops a run by its signal as soon as a progress says so. */
async function stopWhen(options: TrainOptions, when: (progress: TrainProgress) => boolean): Promise<unknown> {
  const controller = new AbortController()
  const onProgress = (progress: TrainProgress): void => {
    if (when(progress)) controller.abort()
  }
  return train({ ...options, signal: controller.signal, onProgress }).catch((error: unknown) => error)
}

test('training raises the likelihood, of the training and of the held-out examples', async () => {
  const { history } = (await train(tinyOptions({ training: { epochs: 6 } }))).state
  expect(history.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6])
  expect(history.at(-1)!.training).toBeGreaterThan(history[0]!.training)
  expect(history.at(-1)!.validation).toBeGreaterThan(history[0]!.validation!)
})

test.each<[string, TrainOptions]>([
  ['pixels', { ...tinyOptions(), data: toyImages(300) }],
  ['an odd dimension', { ...tinyOptions(), data: toyRows(300, 5) }],
  ['two dimensions', { ...tinyOptions(), data: toyRows(300, 2) }],
  ['an affine law and a Gaussian prior', tinyOptions({ flow: { law: 'affine', prior: 'gaussian' } })],
  [
    'preprocessing whose constants come from the data',
    tinyOptions({ flow: { preprocessing: [{ kind: 'logit', alpha: 0.01 }, { kind: 'standardize' }] } }),
  ],
  ['a batch that does not divide the examples', tinyOptions({ training: { batchSize: 33 } })],
])('%s: two runs, and a run that was stopped and resumed, have the same checkpoints', async (_, options) => {
  const [whole, again, resumed] = [temporaryFolder(), temporaryFolder(), temporaryFolder()]
  await train({ ...options, out: whole })
  await train({ ...options, out: again })
  expect(checkpoints(again)).toEqual(checkpoints(whole))

  const error = await stopWhen({ ...options, out: resumed }, (progress) => progress.kind === 'steps' && progress.epoch === 3)
  expect(error).toMatchObject({
    name: 'StoppedError',
    message: 'training stopped in epoch 3',
    remedy: 'run the same command with --resume (and no --overwrite) to go on from the end of epoch 2',
  })
  await train({ ...options, out: resumed, resume: true })
  expect(checkpoints(resumed)).toEqual(checkpoints(whole))
})

test('a run that was killed between any two writes of an epoch is resumed to the same checkpoints', async () => {
  const out = temporaryFolder()
  const options = { ...tinyOptions(), out }
  await train(options)
  const whole = checkpoints(out)
  // The best of epoch 3 is there, the last of epoch 3 is not yet; and what it was written to is left over.
  rmSync(join(out, 'last.safetensors'))
  writeFileSync(join(out, 'next.safetensors.123.tmp'), 'half')
  expect((await readRun(out)).state.epoch).toBe(3)
  await train({ ...options, resume: true })
  expect(checkpoints(out)).toEqual(whole)
  expect(readdirSync(out)).not.toContain('next.safetensors.123.tmp')
})

test('a seed is a run of its own, and the same in memory as on disk', async () => {
  const out = temporaryFolder()
  const [zero, one] = [await train({ ...tinyOptions(), out }), await train(tinyOptions({ training: { seed: 1 } }))]
  expect(one.parameters).not.toEqual(zero.parameters)
  expect(await train(tinyOptions())).toEqual(zero)
  expect(await readRun(out)).toEqual(zero)
})

test('the parameters of a run are those of its best epoch, or of its last where nothing is held out', async () => {
  const out = temporaryFolder()
  const { state, parameters } = await train({ ...tinyOptions({ training: { epochs: 5, learningRate: 0.1 } }), out })
  const scores = state.history.map(({ validation }) => validation!)
  expect(state.best).toEqual({ epoch: 1 + scores.indexOf(Math.max(...scores)), validation: Math.max(...scores) })
  expect((await readCheckpoint(join(out, 'best.safetensors'))).arrays).toEqual(parameters)

  const all = await train(tinyOptions({ training: { validation: 0 } }))
  expect(all.state.best).toEqual({ epoch: 3, validation: null })
  expect(all.state.history.every(({ validation }) => validation === null)).toBe(true)
})

test('snapshots are kept every so many epochs, and hold weights only', async () => {
  const out = temporaryFolder()
  const { parameters } = await train({ ...tinyOptions({ training: { epochs: 5, saveEvery: 2 } }), out })
  const snapshots = readdirSync(out).filter((file) => file.startsWith('epoch-'))
  expect(snapshots).toEqual(['epoch-0002.safetensors', 'epoch-0004.safetensors'])
  expect(Object.keys((await readCheckpoint(join(out, snapshots[0]!))).arrays)).toEqual(Object.keys(parameters).sort())
  expect(Object.keys((await readCheckpoint(join(out, 'last.safetensors'))).arrays).length).toBeGreaterThan(Object.keys(parameters).length)
})

test('checkpoints hold no clock time; the history beside them does, over all parts of a run', async () => {
  const out = temporaryFolder()
  await stopWhen({ ...tinyOptions(), out }, (progress) => progress.kind === 'steps' && progress.epoch === 2)
  const [first] = await readHistory(out)
  const { state } = await train({ ...tinyOptions(), out, resume: true })
  const history = await readHistory(out)
  expect(history[0]).toEqual(first)
  expect(history.map(({ seconds, imagesPerSecond, ...record }) => record)).toEqual(state.history)
  for (const { seconds, imagesPerSecond } of history) {
    expect(seconds).toBeGreaterThan(0)
    expect(imagesPerSecond).toBeGreaterThan(0)
  }
})

test('progress tells of the start, of each run of the graph and of each epoch', async () => {
  const told: TrainProgress[] = []
  await train({ ...tinyOptions(), onProgress: (progress) => told.push(progress) })
  // 250 examples in batches of 25, three steps a run: 3 + 3 + 3 + 1 steps an epoch.
  expect(told.map(({ kind }) => kind)).toEqual(['start', ...Array(3).fill(['steps', 'steps', 'steps', 'steps', 'epoch']).flat()])
  expect(told[0]).toMatchObject({ device: 'cpu', examples: 250, heldOut: 50, epoch: 0 })
  expect(told.flatMap((progress) => (progress.kind === 'steps' ? [progress.step] : []))).toEqual([
    3, 6, 9, 10, 13, 16, 19, 20, 23, 26, 29, 30,
  ])
})

test('a run that is complete is resumed to itself', async () => {
  const out = temporaryFolder()
  const run = await train({ ...tinyOptions(), out })
  const files = contentsOf(out)
  const told: TrainProgress[] = []
  expect(await train({ ...tinyOptions(), out, resume: true, onProgress: (progress) => told.push(progress) })).toEqual(run)
  expect(told).toEqual([])
  expect(contentsOf(out)).toEqual(files)
})

test('a likelihood that is no number stops the run, and keeps the last good checkpoint', async () => {
  const out = temporaryFolder()
  const data = toyRows(300, 4)
  let good = {}
  const diverging = train({
    ...tinyOptions(),
    data,
    out,
    onProgress: (progress) => {
      if (progress.kind !== 'epoch') return
      good = checkpoints(out)
      data.data.fill(1e38)
    },
  })
  await expect(diverging).rejects.toMatchObject({
    name: 'DivergedError',
    message: expect.stringMatching(/^training diverged: the log-likelihood of step 11 is (-Infinity|NaN)$/),
    remedy: `train again with a lower --lr, a --warmup or a larger --epsilon, in another --out; the last good checkpoint is kept in ${out}`,
  })
  expect(checkpoints(out)).toEqual(good)
  expect((await readRun(out)).state.epoch).toBe(1)
})

test('a learning rate beyond reason ends in an error, not in numbers', async () => {
  await expect(train(tinyOptions({ training: { learningRate: 1e4 } }))).rejects.toThrow(/^training diverged: the log-likelihood of /)
})

test('a folder that holds a run is not written to unless that is asked for', async () => {
  const out = temporaryFolder()
  await train({ ...tinyOptions({ training: { saveEvery: 1 } }), out })
  const files = contentsOf(out)
  await expect(train({ ...tinyOptions(), out })).rejects.toMatchObject({
    name: 'CheckpointError',
    message: `run ${out}: the folder holds a run already`,
    remedy: '--resume goes on with it, --overwrite begins again',
    usage: true,
  })
  await expect(train({ ...tinyOptions({ training: { seed: 5 } }), out, resume: true })).rejects.toThrow(
    'its training.seed is 0, now 5 is asked for',
  )
  await expect(train({ ...tinyOptions({ training: { saveEvery: 1 } }), data: toyRows(300, 4, 9), out, resume: true })).rejects.toThrow(
    'its data.sha256 is',
  )
  expect(contentsOf(out)).toEqual(files)
})

test('to overwrite a run is to remove its files, and no others', async () => {
  const [out, fresh] = [temporaryFolder(), temporaryFolder()]
  await train({ ...tinyOptions({ training: { saveEvery: 1, seed: 3 } }), out })
  writeFileSync(join(out, 'notes.txt'), 'mine')
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

test('more examples held out than there are, and a folder without a run, are refused', async () => {
  await expect(train(tinyOptions({ training: { validation: 300 } }))).rejects.toThrow(
    'validation examples: expected an integer from 0 to 299, one less than the training examples, got 300',
  )
  await expect(readRun(temporaryFolder())).rejects.toMatchObject({ name: 'CheckpointError', remedy: 'check the path, or train first' })
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
