import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tensor } from '@niceflow/core'
import { writeSafetensors } from '@niceflow/formats'
import { expect, test } from 'vitest'
import {
  assertSameRun,
  type Checkpoint,
  checkpointFiles,
  findLast,
  isCheckpoint,
  type RunState,
  readCheckpoint,
  snapshotFile,
  writeCheckpoint,
  writeLast,
} from './checkpoint.ts'
import { presets } from './config.ts'
import { temporaryFolder } from './tiny.fixture.ts'

const state = (epoch: number): RunState => ({
  formatVersion: 1,
  recipe: presets.quick,
  data: { name: 'toy', sha256: 'a'.repeat(64), imageShape: null, count: 10, pixels: false },
  engine: 'onnxruntime',
  epoch,
  step: 5 * epoch,
  history: [{ epoch: 1, training: -1.25, validation: null, learningRate: 0.1 }],
  best: { epoch: 1, validation: null },
})

const checkpoint = (epoch: number): Checkpoint => ({
  state: state(epoch),
  arrays: { 'a/weight': tensor('float32', [2, 1], Float32Array.of(0.1, epoch)), 'a/bias': tensor('float32', [1]) },
})

test('readCheckpoint(writeCheckpoint(c)) = c', async () => {
  const path = join(temporaryFolder(), 'c.safetensors')
  await writeCheckpoint(path, checkpoint(3))
  expect(await readCheckpoint(path)).toEqual(checkpoint(3))
})

test('equal checkpoints are equal files', async () => {
  const dir = temporaryFolder()
  const [a, b] = [join(dir, 'a'), join(dir, 'b')]
  const { state: same, arrays } = checkpoint(3)
  await writeCheckpoint(a, { state: same, arrays })
  await writeCheckpoint(b, { state: same, arrays: Object.fromEntries(Object.entries(arrays).reverse()) })
  expect(readFileSync(a).equals(readFileSync(b))).toBe(true)
})

test('the last checkpoint pushes the one before it back, and there are no more than two', async () => {
  const dir = temporaryFolder()
  for (const epoch of [1, 2, 3]) await writeLast(dir, checkpoint(epoch))
  expect(readdirSync(dir).sort()).toEqual(['last.safetensors', 'previous.safetensors'])
  expect((await readCheckpoint(join(dir, checkpointFiles.previous))).state.epoch).toBe(2)
  expect((await findLast(dir))?.state.epoch).toBe(3)
})

test('where a crash came between the two renames, the one before is found', async () => {
  const dir = temporaryFolder()
  for (const epoch of [1, 2]) await writeLast(dir, checkpoint(epoch))
  rmSync(join(dir, checkpointFiles.last))
  expect((await findLast(dir))?.state.epoch).toBe(1)
  rmSync(join(dir, checkpointFiles.previous))
  expect(await findLast(dir)).toBeUndefined()
})

test('files of a run are known by their names, and no others', () => {
  const ours = [...Object.values(checkpointFiles), 'next.safetensors', snapshotFile(5), snapshotFile(12345)]
  expect(ours.filter(isCheckpoint)).toEqual(ours)
  expect(['model.safetensors', 'epoch-5.safetensors', 'last.safetensors.bak', 'notes.txt'].filter(isCheckpoint)).toEqual([])
})

test.each<[string, (path: string) => void, string, string]>([
  ['a missing file', () => {}, 'cannot be read: ENOENT', 'check the path, or train first'],
  [
    "another program's file",
    (path) => writeFileSync(path, Buffer.concat(writeSafetensors({ a: tensor('float32', [1]) }))),
    "expected niceflow's state among its metadata, got none",
    'give a checkpoint that niceflow train wrote',
  ],
  [
    'a newer format',
    (path) => writeFileSync(path, Buffer.concat(writeSafetensors({}, { niceflow: JSON.stringify({ formatVersion: 2 }) }))),
    'format version 2, this niceflow reads 1',
    'update niceflow',
  ],
])('refuses %s', async (_, write, message, remedy) => {
  const path = join(temporaryFolder(), 'c.safetensors')
  write(path)
  await expect(readCheckpoint(path)).rejects.toMatchObject({ name: 'CheckpointError', message: expect.stringContaining(message), remedy })
  await expect(readCheckpoint(path)).rejects.toThrow(`checkpoint ${path}`)
})

test('refuses a truncated file', async () => {
  const path = join(temporaryFolder(), 'c.safetensors')
  await writeCheckpoint(path, checkpoint(1))
  writeFileSync(path, readFileSync(path).subarray(0, -4))
  await expect(readCheckpoint(path)).rejects.toThrow(`${path}: truncated tensor data: expected 12 bytes, got 8`)
})

test('a run goes on with its own recipe and data only; what differs is named', () => {
  const now = state(1)
  expect(() => assertSameRun('run', now, now)).not.toThrow()
  const { recipe, data } = now
  const faster = { ...recipe, training: { ...recipe.training, batchSize: 100 } }
  expect(() => assertSameRun('run', now, { recipe: faster, data })).toThrow('run run: its training.batchSize is 200, now 100 is asked for')
  expect(() => assertSameRun('run', now, { recipe, data: { ...data, sha256: 'b' } })).toThrow('its data.sha256 is "aaaa')
  const split = { ...recipe, flow: { ...recipe.flow, partition: [0, 1] } }
  expect(() => assertSameRun('run', now, { recipe: split, data })).toThrow('its flow.partition is "even-odd", now [0,1] is asked for')
})
