import { readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { readCheckpoint } from './checkpoint.ts'
import type { TrainProgress } from './fit.ts'
import { readHistory } from './history.ts'
import { type Run, readRun } from './run.ts'
import { checkpoints, contentsOf, histograms, temporaryFolder, tinyOptions, toyImages, toyRows } from './tiny.fixture.ts'
import { type TrainOptions, train } from './train.ts'

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
  ['histograms of equalised pixels', { ...tinyOptions(histograms), data: toyImages(300) }],
  ['an affine law and a Gaussian prior', tinyOptions({ flow: { law: 'affine', prior: 'gaussian' } })],
  [
    'preprocessing whose constants come from the data',
    tinyOptions({ flow: { preprocessing: [{ kind: 'logit', alpha: 0.01 }, { kind: 'standardize' }] } }),
  ],
  [
    'gradients clipped, weights averaged, units dropped, images moved, noise shared, s from a normal draw',
    {
      ...tinyOptions({
        training: {
          clip: 1,
          averaging: 0.9,
          dropout: 0.2,
          imageShift: 1,
          plainEpochs: 1,
          scaleInit: 'normal',
          schedule: 'linear',
          dequantization: 'shared',
        },
      }),
      data: toyImages(300),
    },
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

test('each snapshot is told of with its own weights, and the oldest make room', async () => {
  const out = temporaryFolder()
  const told: string[] = []
  const onSnapshot = async ({ state, parameters }: Run, picture: string): Promise<void> => {
    writeFileSync(picture, 'picture')
    const file = picture.replace(/png$/, 'safetensors')
    expect(parameters).toEqual((await readCheckpoint(file)).arrays)
    told.push(`${state.best.epoch} ${basename(file)}`)
  }
  await train({ ...tinyOptions({ training: { epochs: 7, saveEvery: 2 } }), out, snapshots: { keep: 2, onSnapshot } })
  expect(told).toEqual(['2 epoch-0002.safetensors', '4 epoch-0004.safetensors', '6 epoch-0006.safetensors'])
  const kept = readdirSync(out).filter((file) => file.startsWith('epoch-'))
  expect(kept).toEqual(['epoch-0004.png', 'epoch-0004.safetensors', 'epoch-0006.png', 'epoch-0006.safetensors'])
  await train({ ...tinyOptions(), out, overwrite: true })
  expect(readdirSync(out).filter((file) => file.startsWith('epoch-'))).toEqual([])
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

test('progress tells of memory, of the start, of each run of the graph and of each epoch', async () => {
  const told: TrainProgress[] = []
  await train({ ...tinyOptions(), onProgress: (progress) => told.push(progress) })
  // 250 examples in batches of 25, three steps a run: 3 + 3 + 3 + 1 steps an epoch.
  expect(told.map(({ kind }) => kind)).toEqual(['memory', 'start', ...Array(3).fill(['steps', 'steps', 'steps', 'steps', 'epoch']).flat()])
  expect(told[1]).toMatchObject({ device: 'cpu', examples: 250, heldOut: 50, epoch: 0 })
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

test('where nothing is held out, an update that breaks the weights is found out all the same', async () => {
  const out = temporaryFolder()
  // One step, of a rate that float32 cannot hold: its log-likelihood is from before its update.
  const training = { epochs: 1, batchSize: 300, validation: 0, learningRate: 1e39 }
  await expect(train({ ...tinyOptions({ training }), out })).rejects.toMatchObject({
    name: 'DivergedError',
    message: expect.stringMatching(/^training diverged: array ".*" after epoch 1 holds what is no finite number$/),
    remedy: 'train again with a lower --lr, a --warmup or a larger --epsilon, in the same --out; nothing of this run was kept',
  })
  expect(readdirSync(out)).toEqual([])
})

test('a run that is stopped in its first epoch says that nothing was kept, and leaves what it was to overwrite', async () => {
  const out = temporaryFolder()
  const inFirst = ({ kind }: TrainProgress): boolean => kind === 'steps'
  const error = { name: 'StoppedError', remedy: 'nothing of this run was kept; run the same command again' }
  expect(await stopWhen({ ...tinyOptions(), out }, inFirst)).toMatchObject(error)
  expect(readdirSync(out)).toEqual([])
  await train({ ...tinyOptions(), out })
  const files = contentsOf(out)
  expect(await stopWhen({ ...tinyOptions(), out, overwrite: true }, inFirst)).toMatchObject(error)
  expect(contentsOf(out)).toEqual(files)
})

test('a learning rate beyond reason ends in an error, not in numbers', async () => {
  await expect(train(tinyOptions({ training: { learningRate: 1e4 } }))).rejects.toThrow(/^training diverged: the log-likelihood of /)
})

test('more examples held out than there are are refused', async () => {
  await expect(train(tinyOptions({ training: { validation: 300 } }))).rejects.toThrow(
    'validation examples: expected an integer from 0 to 299, one less than the training examples, got 300',
  )
})

test('a run whose weights are averaged keeps and validates the average', async () => {
  const out = temporaryFolder()
  const recipe = { training: { averaging: 0.99, epochs: 2 } } as const
  const averaged = await train({ ...tinyOptions(recipe), out })
  const plain = await train(tinyOptions({ training: { epochs: 2 } }))
  const last = await readCheckpoint(join(out, 'last.safetensors'))
  for (const [name, { data }] of Object.entries(averaged.parameters)) {
    expect(data).toEqual(last.arrays[`average/${name}`]!.data)
    expect(last.arrays[name]).toEqual(plain.parameters[name])
  }
  expect(averaged.state.history[1]!.training).toBe(plain.state.history[1]!.training)
  expect(averaged.state.history[1]!.validation).not.toBe(plain.state.history[1]!.validation)
})

test('s starts as asked', async () => {
  const start = async (scaleInit: 'data' | 'zero' | 'normal'): Promise<number[]> => {
    // A learning rate at which nothing moves.
    const { parameters } = await train(tinyOptions({ training: { scaleInit, epochs: 1, learningRate: 1e-30 } }))
    return [...parameters['scaling/log_scale']!.data]
  }
  expect(Math.max(...(await start('zero')).map(Math.abs))).toBeLessThan(1e-20)
  // ln(pi / sqrt 3) - ln sigma, for columns of deviations below 0.3.
  expect(Math.min(...(await start('data')))).toBeGreaterThan(1.5)
  const drawn = await start('normal')
  expect(new Set(drawn).size).toBe(4)
  expect(Math.max(...drawn.map(Math.abs))).toBeLessThan(4)
})

test('stops after so many epochs without a better one, and stays stopped', async () => {
  const out = temporaryFolder()
  // A learning rate at which validation soon falls.
  const options = { ...tinyOptions({ training: { epochs: 60, patience: 2, learningRate: 0.1 } }), out }
  const { state } = await train(options)
  expect(state.epoch).toBe(state.best.epoch + 2)
  expect(state.epoch).toBeLessThan(60)
  expect((await train({ ...options, resume: true })).state).toEqual(state)
})

test.each([
  [toyRows(300, 4), 'image shift: expected 0: data "array" are no images, got 1'],
  [{ ...toyImages(300) }, 'image shift: expected at most 1 pixels, for images of 2 x 2, got 2'],
])('images are not moved where there are none, nor out of sight', async (data, message) => {
  const imageShift = message.endsWith('1') ? 1 : 2
  await expect(train({ ...tinyOptions({ training: { imageShift } }), data })).rejects.toMatchObject({ message, usage: true })
})

test('the last, plain epochs move no images', async () => {
  const fit = (training: object): Promise<Run> =>
    train({ ...tinyOptions({ training: { epochs: 2, imageShift: 1, ...training } }), data: toyImages(300) })
  const [moved, plain] = [(await fit({})).state.history, (await fit({ plainEpochs: 1 })).state.history]
  expect(plain[0]).toEqual(moved[0])
  expect(plain[1]!.training).not.toBe(moved[1]!.training)
  const message = 'plain epochs: expected less than all 2 epochs, or an image shift of 0, got 2'
  await expect(fit({ plainEpochs: 2 })).rejects.toMatchObject({ message, usage: true })
})
