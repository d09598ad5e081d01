import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { TrainProgress } from './fit.ts'
import { readHistory } from './history.ts'
import { type Run, readRun } from './run.ts'
import { checkpoints, contentsOf } from './tiny.fixture.ts'
import { type TrainOptions, train } from './train.ts'
import { trained } from './trained.fixture.ts'

const damage = (path: string): void => truncateSync(path, 1000)

/** Trains, and tells what it was warned of. */
async function warned(options: TrainOptions): Promise<{ run: Run; warnings: string[] }> {
  const warnings: string[] = []
  const onProgress = (progress: TrainProgress): void => {
    if (progress.kind === 'warning') warnings.push(progress.message)
  }
  return { run: await train({ ...options, onProgress }), warnings }
}

test('a run whose last checkpoint is damaged goes on from the one before it, says so, and comes to the same', async () => {
  const { out, options, whole } = await trained()
  damage(join(out, 'last.safetensors'))
  const { warnings } = await warned(options)
  expect(warnings).toEqual([
    expect.stringMatching(/^checkpoint .*last\.safetensors: .*; going on from the checkpoint before it, of epoch 2$/),
  ])
  expect(checkpoints(out)).toEqual(whole)
  expect((await warned(options)).warnings).toEqual([])
})

test('a damaged checkpoint takes the place of none that is whole', async () => {
  const { out, options, whole } = await trained()
  damage(join(out, 'last.safetensors'))
  const interrupt = new AbortController()
  const onProgress = ({ kind }: TrainProgress): void => (kind === 'steps' ? interrupt.abort() : undefined)
  await expect(train({ ...options, onProgress, signal: interrupt.signal })).rejects.toThrow('stopped in epoch 3')
  expect(contentsOf(out)['previous.safetensors']).toEqual(whole['previous.safetensors'])
  await train(options)
  expect(contentsOf(out)['previous.safetensors']).toEqual(whole['previous.safetensors'])
})

test('a run both of whose checkpoints are damaged is refused, and nothing is removed', async () => {
  const { out, options, run } = await trained()
  for (const file of ['last.safetensors', 'previous.safetensors']) damage(join(out, file))
  const files = contentsOf(out)
  await expect(train(options)).rejects.toMatchObject({
    name: 'CheckpointError',
    message: expect.stringMatching(
      /^run .*: no checkpoint to go on from: checkpoint .*last\.safetensors: .*; checkpoint .*previous\.safetensors: /,
    ),
    remedy: 'copy one back from elsewhere, --overwrite the run, or give another --out',
    usage: false,
  })
  expect(contentsOf(out)).toEqual(files)
  // Its best weights are there still.
  const warnings: string[] = []
  expect((await readRun(out, (message) => warnings.push(message))).parameters).toEqual(run.parameters)
  expect(warnings).toEqual([expect.stringMatching(/last.*; it is passed over$/), expect.stringMatching(/previous.*; it is passed over$/)])
})

test('the best weights are mended from a last checkpoint of the same epoch', async () => {
  const { out, options, whole, run } = await trained()
  expect(run.state.best.epoch).toBe(3)
  damage(join(out, 'best.safetensors'))
  const warnings: string[] = []
  expect(await readRun(out, (message) => warnings.push(message))).toEqual(run)
  const message = expect.stringMatching(
    /^checkpoint .*best\.safetensors: .*; the weights of epoch 3, the last, take its place and are the same$/,
  )
  expect(warnings).toEqual([message])
  const resumed = await warned(options)
  expect(resumed).toEqual({ run, warnings: [message] })
  expect(checkpoints(out)).toEqual(whole)
})

test('best weights of an epoch of their own are lost, and replaced only by those who say so', async () => {
  const { out, options, run } = await trained({ training: { epochs: 5, learningRate: 0.1 } })
  const { best } = run.state
  expect(best.epoch).toBeLessThan(5)
  damage(join(out, 'best.safetensors'))
  const files = contentsOf(out)
  const error = {
    name: 'CheckpointError',
    message: expect.stringMatching(`^run ${out}: the weights of its best epoch, ${best.epoch}, are lost: checkpoint .*best.safetensors: `),
    remedy: 'copy the file back from elsewhere, or remove it: epoch 5, the last, then takes its place',
  }
  await expect(train(options)).rejects.toMatchObject(error)
  await expect(readRun(out)).rejects.toMatchObject(error)
  expect(contentsOf(out)).toEqual(files)

  rmSync(join(out, 'best.safetensors'))
  const { run: mended, warnings } = await warned(options)
  expect(warnings).toEqual([
    expect.stringMatching(/best\.safetensors cannot be read: ENOENT; the weights of epoch 5, the last, take its place$/),
  ])
  expect(mended.state.best).toEqual({ epoch: 5, validation: run.state.history[4]!.validation })
  expect(await readRun(out)).toEqual(mended)
})

test('averaged weights are mended as averages', async () => {
  const { out, run } = await trained({ training: { averaging: 0.9, learningRate: 1e-3 } })
  expect(run.state.best.epoch).toBe(3)
  damage(join(out, 'best.safetensors'))
  expect(await readRun(out)).toEqual(run)
})

test.each([
  ['cut short', (text: string) => text.slice(0, -20)],
  ['of other fields', () => '{"epochs":[{"epoch":1}]}'],
  ['not there', undefined],
])('a history that is %s costs its timings, and nothing else', async (_, change) => {
  const { out, options, whole } = await trained()
  const path = join(out, 'history.json')
  if (change) writeFileSync(path, change(readFileSync(path, 'utf8')))
  else rmSync(path)
  expect(await readHistory(out)).toEqual([])
  rmSync(join(out, 'last.safetensors'))
  await train(options)
  expect(checkpoints(out)).toEqual(whole)
  expect((await readHistory(out)).map(({ epoch, seconds }) => [epoch, seconds === null])).toEqual([
    [1, true],
    [2, true],
    [3, false],
  ])
})
