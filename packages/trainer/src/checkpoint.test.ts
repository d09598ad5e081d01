import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tensor } from '@niceflow/core'
import { presets } from '@niceflow/engine'
import { writeSafetensors } from '@niceflow/formats'
import { expect, test } from 'vitest'
import {
  type Checkpoint,
  checkpointFiles,
  DamagedCheckpointError,
  findLast,
  isCheckpoint,
  type RunState,
  readCheckpoint,
  snapshotFile,
  writeCheckpoint,
  writeLast,
} from './checkpoint.ts'
import { stoppedAt, withBadSector } from './faults.fixture.ts'
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
  expect((await findLast(dir)).checkpoint?.state.epoch).toBe(3)
})

test('where a crash came between the two renames, the one before is found', async () => {
  const dir = temporaryFolder()
  for (const epoch of [1, 2]) await writeLast(dir, checkpoint(epoch))
  rmSync(join(dir, checkpointFiles.last))
  expect((await findLast(dir)).checkpoint?.state.epoch).toBe(1)
  rmSync(join(dir, checkpointFiles.previous))
  expect(await findLast(dir)).toEqual({ damaged: [] })
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

test('a checkpoint that is cut short anywhere, or has any bit of its arrays or its state changed, is known to be damaged', async () => {
  const path = join(temporaryFolder(), 'c.safetensors')
  await writeCheckpoint(path, checkpoint(1))
  const whole = readFileSync(path)
  const read = async (bytes: Buffer): Promise<unknown> => {
    writeFileSync(path, bytes)
    return readCheckpoint(path).catch((error: unknown) => (error instanceof DamagedCheckpointError ? 'damaged' : error))
  }
  for (let length = 0; length < whole.length; length += 7) expect(await read(whole.subarray(0, length))).toBe('damaged')
  for (let at = 0; at < whole.length; at += 3) {
    const changed = Buffer.from(whole)
    changed[at]! ^= 1 << (at % 8)
    const result = await read(changed)
    // What may pass is what says nothing: the header's padding, or the name that the digest goes by.
    if (result !== 'damaged') expect({ at, result }).toEqual({ at, result: checkpoint(1) })
  }
  expect(await read(Buffer.concat([whole, Buffer.from('more')]))).toBe('damaged')
  await expect(readCheckpoint(path)).rejects.toMatchObject({
    name: 'DamagedCheckpointError',
    message: `checkpoint ${path}: trailing bytes after the tensor data: expected 12 bytes, got 16`,
    remedy: 'copy it back from elsewhere, or train again',
  })
  whole[whole.length - 1]! ^= 1
  writeFileSync(path, whole)
  await expect(readCheckpoint(path)).rejects.toThrow(/: SHA-256: expected [0-9a-f]{64}, got [0-9a-f]{64}$/)
})

test.each<[string, (path: string) => void]>([
  ['cut short', (path) => truncateSync(path, 700)],
  ['empty', (path) => writeFileSync(path, '')],
  ['garbage', (path) => writeFileSync(path, randomBytes(2000))],
])('where the last is %s, the one before it is found, and what is wrong is told', async (_, damage) => {
  const dir = temporaryFolder()
  for (const epoch of [1, 2]) await writeLast(dir, checkpoint(epoch))
  const files = Object.values(checkpointFiles).map((file) => join(dir, file))
  damage(files[0]!)
  const found = await findLast(dir)
  expect(found.checkpoint?.state.epoch).toBe(1)
  expect(found.damaged).toEqual([{ file: 'last.safetensors', message: expect.stringMatching(`^checkpoint ${files[0]}: `) }])
  damage(files[1]!)
  expect(await findLast(dir)).toEqual({ damaged: [found.damaged[0], expect.objectContaining({ file: 'previous.safetensors' })] })
})

test('where the disk cannot read the last, the one before it is found', async () => {
  const dir = temporaryFolder()
  for (const epoch of [1, 2]) await writeLast(dir, checkpoint(epoch))
  expect(await withBadSector(checkpointFiles.last, () => findLast(dir))).toEqual({
    checkpoint: checkpoint(1),
    damaged: [{ file: 'last.safetensors', message: `checkpoint ${join(dir, checkpointFiles.last)} cannot be read: EIO` }],
  })
})

test('a last checkpoint of a newer niceflow is not passed over', async () => {
  const dir = temporaryFolder()
  await writeLast(dir, checkpoint(1))
  await writeLast(dir, { ...checkpoint(2), state: { ...state(2), formatVersion: 2 as 1 } })
  await expect(findLast(dir)).rejects.toThrow('format version 2, this niceflow reads 1')
})

test('whatever change of files a process is killed at, the last or the one before it is whole', async () => {
  let stops = 0
  for (let killed = true; killed; stops++) {
    const dir = temporaryFolder()
    for (const epoch of [1, 2]) await writeLast(dir, checkpoint(epoch))
    killed = await stoppedAt(stops + 1, () => writeLast(dir, checkpoint(3)))
    expect(killed ? [2, 3] : [3]).toContain((await findLast(dir)).checkpoint?.state.epoch)
  }
  expect(stops).toBeGreaterThan(6)
})

/** A checkpoint's file whose state has other fields. */
function written(changes: Readonly<Record<string, unknown>>): string {
  const path = join(temporaryFolder(), 'c.safetensors')
  const { arrays, state: usual } = checkpoint(1)
  writeFileSync(path, Buffer.concat(writeSafetensors(arrays, { niceflow: JSON.stringify({ ...usual, ...changes }) })))
  return path
}

const { recipe, data } = state(1)

test.each<[Readonly<Record<string, unknown>>, string]>([
  [{ epoch: '1' }, 'epoch: Invalid input: expected number, received string'],
  [{ step: -1 }, 'step: Too small: expected number to be >=0'],
  [{ history: undefined }, 'history: Invalid input: expected array, received undefined'],
  [{ history: [{ epoch: 1 }] }, 'history.0.training: Invalid input: expected number, received undefined'],
  [{ best: { epoch: 1 } }, 'best.validation: Invalid input: expected number, received undefined'],
  [{ data: { ...data, imageShape: [28] } }, 'data.imageShape: expected [rows, columns], [rows, columns, 3] or null'],
  [{ recipe: {} }, 'recipe.flow: Invalid input: expected object, received undefined'],
  [{ recipe: { ...recipe, flow: { ...recipe.flow, law: 'cubic' } } }, 'flow config: law: Invalid option: expected one of "additive"'],
  [{ recipe: { ...recipe, training: { ...recipe.training, batchSize: 0 } } }, 'training config: batchSize: Too small'],
  [{ recipe: { ...recipe, training: { ...recipe.training, lookahead: 5 } } }, 'training config: value: Unrecognized key: "lookahead"'],
  [{ formatVersion: 0 }, 'formatVersion: Invalid input: expected 1'],
  [{ host: 'here' }, 'state: Unrecognized key: "host"'],
])('refuses a state whose field is not as it must be: %j', async (changes, message) => {
  const path = written(changes)
  await expect(readCheckpoint(path)).rejects.toMatchObject({
    name: 'CheckpointError',
    message: expect.stringContaining(`checkpoint ${path}: ${message}`),
    remedy: 'train again, or read it with the niceflow that wrote it',
    usage: false,
  })
})

test('refuses a state that is no JSON, and arrays of another type', async () => {
  const path = join(temporaryFolder(), 'c.safetensors')
  const write = (...content: Parameters<typeof writeSafetensors>): void => writeFileSync(path, Buffer.concat(writeSafetensors(...content)))
  write({}, { niceflow: '{' })
  await expect(readCheckpoint(path)).rejects.toThrow(`checkpoint ${path}: its state is not JSON`)
  write({ a: tensor('float64', [1]) }, { niceflow: JSON.stringify(state(1)) })
  await expect(readCheckpoint(path)).rejects.toThrow(`checkpoint ${path}: array "a": expected float32, got float64`)
})

test('a checkpoint from before a field was added, or before digests, has what the paper has in its place', async () => {
  const { scaleRate, averaging, ...training } = recipe.training
  const { shiftUnit, ...flow } = recipe.flow
  const read = await readCheckpoint(written({ recipe: { flow, training } }))
  expect(read.state.recipe).toEqual({
    flow: { ...recipe.flow, shiftUnit: 'one' },
    training: { ...recipe.training, scaleRate: 1, averaging: 0 },
  })
})
