import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fillUniform, streamKey } from '@niceflow/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findLast } from './checkpoint.ts'
import { at, stoppedAt, systemError, withFaults } from './faults.fixture.ts'
import { temporaryName } from './files.ts'
import { lockFile } from './lock.ts'
import { openRun } from './open-run.ts'
import { readRun, runSamples } from './run.ts'
import { checkpoints, snapshotOptions, temporaryFolder } from './tiny.fixture.ts'
import { type TrainOptions, train } from './train.ts'

const home = mkdtempSync(join(tmpdir(), 'niceflow-'))
afterAll(() => rmSync(home, { recursive: true }))

const options = snapshotOptions()
/** A run after two of its three epochs. */
const begun = join(home, 'begun')
/** What the third epoch does to files, and what the run then is. */
const changes: string[] = []
let whole: Record<string, Buffer>

beforeAll(async () => {
  const controller = new AbortController()
  const stopped = train({
    ...options,
    out: begun,
    signal: controller.signal,
    onProgress: (progress) => {
      if (progress.kind === 'steps' && progress.epoch === 3) controller.abort()
    },
  })
  await expect(stopped).rejects.toThrow('training stopped in epoch 3')
  const out = join(home, 'whole')
  cpSync(begun, out, { recursive: true })
  await withFaults(
    (change) => void changes.push(change),
    () => train({ ...options, out, resume: true }),
  )
  whole = checkpoints(out)
})

function copyOfBegun(): string {
  const out = temporaryFolder()
  cpSync(begun, out, { recursive: true })
  return out
}

async function expectWholeRun(out: string): Promise<void> {
  await train({ ...options, out, resume: true })
  expect(checkpoints(out)).toEqual(whole)
  expect(readdirSync(out).sort()).toEqual(readdirSync(join(home, 'whole')).sort())
}

test('killed at whatever change of files, a run goes on to the same checkpoints', async () => {
  const left = new Map<string, string>()
  for (const [i, change] of changes.entries()) {
    const out = copyOfBegun()
    expect(await stoppedAt(i + 1, () => train({ ...options, out, resume: true })), change).toBe(true)
    // A process that was killed holds no lock and writes no more; this one lives on.
    for (const file of readdirSync(out)) if (file === lockFile || file.endsWith('.tmp')) rmSync(join(out, file))
    left.set(JSON.stringify(checkpoints(out)), out)
  }
  // As they were; with a new best, with a new snapshot, without the old one; as the next, the previous and the last have taken their names.
  expect(left.size).toBe(7)
  for (const out of left.values()) await expectWholeRun(out)
})

test('on a disk that is full at whatever change of files, a run ends in an error and harms no file', async () => {
  for (const [i, change] of changes.entries()) {
    const out = copyOfBegun()
    const full = at(i + 1, () => {
      throw systemError('ENOSPC')
    })
    const training = withFaults(full, () => train({ ...options, out, resume: true }))
    // What makes names last through a power cut: not every system can.
    if (change === 'flush the folder') await training
    else {
      await expect(training, change).rejects.toMatchObject({
        name: 'WriteError',
        message: expect.stringMatching(/^(file|folder) \/.* cannot be written: ENOSPC$/),
        remedy: 'free some space on the disk, then run the command again (train and score go on with --resume)',
      })
      expect((await findLast(out)).checkpoint?.state.epoch).toBe(2)
      expect((await readRun(out)).state.epoch).toBeGreaterThanOrEqual(2)
      expect(readdirSync(out).filter((file) => file.endsWith('.tmp') || file === lockFile)).toEqual([])
    }
  }
})

test('the error of a full disk is the one that a device without space gives, and freeing some is enough', async () => {
  const out = copyOfBegun()
  // Linux has such a device; elsewhere the error is made.
  const device = '/dev/full'
  const full = existsSync(device)
    ? () => {}
    : at(changes.indexOf('write') + 1, () => {
        throw systemError('ENOSPC')
      })
  // Not before the start: what is there then is taken for an earlier process's.
  const onProgress: TrainOptions['onProgress'] = ({ kind }) => {
    if (kind === 'start' && existsSync(device)) symlinkSync(device, temporaryName(join(out, 'next.safetensors')))
  }
  await expect(withFaults(full, () => train({ ...options, out, resume: true, onProgress }))).rejects.toMatchObject({
    message: expect.stringMatching(/ENOSPC$/),
  })
  await expectWholeRun(out)
})

test('killed at whatever removal of the run that it is to overwrite, it can be begun again', async () => {
  const { recipe, data } = (await readRun(begun)).state
  const clear = async (out: string): Promise<void> => {
    const run = await openRun(out, { recipe, data }, { overwrite: true, onWarning: () => {} })
    await run.clear()
    run.close()
  }
  let stops = 0
  for (let killed = true; killed; stops++) {
    const out = copyOfBegun()
    writeFileSync(join(out, runSamples), 'picture')
    const files = readdirSync(out).length
    killed = await stoppedAt(stops + 1, () => clear(out))
    rmSync(join(out, lockFile), { force: true })
    expect(readdirSync(out).length).toBe(killed ? files - stops : 0)
    await clear(out)
    expect(readdirSync(out)).toEqual([])
  }
  expect(stops).toBe(8)
})

test('a process that SIGKILL ends again and again comes to the same checkpoints', async () => {
  const out = temporaryFolder()
  const [draws, flags] = [new Float32Array(3), ['--conditions=@niceflow/source', '--import', 'tsx']]
  fillUniform(streamKey(1, 'probe', 0), draws)
  const killAt = [...draws].map((u) => 1 + Math.floor(u * changes.length))
  const ends: unknown[] = []
  for (const number of killAt) {
    const program = join(import.meta.dirname, 'kill.fixture.ts')
    const child = spawn(process.execPath, [...flags, program, out, String(number)], { stdio: 'inherit' })
    ends.push(await once(child, 'exit'))
  }
  expect(ends).toEqual(killAt.map(() => [null, 'SIGKILL']))
  await expectWholeRun(out)
})
