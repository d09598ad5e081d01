import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { runSamples, temporaryName } from '@niceflow/trainer'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { answer, niceflow, niceflowHere, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const training = (out: string, ...more: string[]): string[] => ['train', ...tinyModel, '--sample-size', '0', '--out', path(out), ...more]

/** Files by name, but for those that hold clock time. */
const files = (out: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(path(out))
      .filter((file) => file !== 'history.json')
      .map((file) => [file, readFileSync(path(out, file)).toString('latin1')]),
  )

beforeAll(async () => {
  expect((await niceflowHere(training('whole'))).code).toBe(0)
})

/** A copy of the whole run in which some of its checkpoints are cut short. */
function damaged(out: string, ...checkpoints: readonly string[]): void {
  cpSync(path('whole'), path(out), { recursive: true })
  for (const file of checkpoints) truncateSync(path(out, file), 5000)
}

test('a last checkpoint that is damaged is passed over with a warning', async () => {
  damaged('torn', 'last.safetensors')
  const { code, stdout, stderr } = await niceflowHere(training('torn', '--resume', '--json'))
  expect(code).toBe(0)
  expect(stderr).toMatch(/^warning: checkpoint .*last\.safetensors: .*; going on from the checkpoint before it, of epoch 2\ntraining on /)
  expect(JSON.parse(stdout)).toMatchObject({ epochs: 3 })
  expect(files('torn')).toEqual(files('whole'))
})

test('two damaged checkpoints are one error, which leaves them as they are', async () => {
  damaged('lost', 'last.safetensors', 'previous.safetensors')
  const before = files('lost')
  const { code, stdout, stderr } = await niceflowHere(training('lost', '--resume'))
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr.split('\n')).toEqual([
    expect.stringMatching(/^niceflow: run .*: no checkpoint to go on from: .*last\.safetensors: .*previous\.safetensors: /),
    '  copy one back from elsewhere, --overwrite the run, or give another --out',
    '',
  ])
  expect(files('lost')).toEqual(before)
})

test.each([
  ['--schedule cosine', 'training.schedule is "constant", now "cosine"'],
  ['--max-iter 9', 'training.epochs is 3, now 9'],
  ['--mid-dim 17', 'flow.hiddenDim is 16, now 17'],
  ['--limit 1100', 'data.count is 1200, now 1100'],
])('a run is not resumed with %s', async (flags, difference) => {
  const before = files('whole')
  expect(await niceflowHere(training('whole', '--resume', ...flags.split(' ')))).toEqual({
    code: 1,
    signal: null,
    stdout: '',
    stderr: `niceflow: run ${path('whole')}: its ${difference} is asked for\n  resume with the recipe and data that it began with, or give another --out, or --overwrite it\n`,
  })
  expect(files('whole')).toEqual(before)
})

test('a folder in which another process trains is refused, and taken over when that process is gone', async () => {
  let outcome: unknown
  let pid: number | undefined
  const killed = await niceflow(training('locked', '--max-iter', '1000'), {
    onStderr: (soFar, child) => {
      if (outcome || !soFar.includes('epoch 1/')) return
      pid = child.pid
      child.kill('SIGSTOP')
      outcome = niceflowHere(training('locked', '--resume')).finally(() => child.kill('SIGKILL'))
    },
  })
  expect(killed.signal).toBe('SIGKILL')
  const lock = path('locked', 'train.lock')
  expect(await outcome).toEqual({
    code: 1,
    signal: null,
    stdout: '',
    stderr: `niceflow: run ${path('locked')}: process ${pid} is training in it\n  wait for it or stop it; if process ${pid} is another program's by now, remove ${lock}\n`,
  })
  expect(existsSync(lock)).toBe(true)
  expect((await niceflowHere(training('locked', '--overwrite'))).code).toBe(0)
  expect(files('locked')).toEqual(files('whole'))
})

test('what an earlier process of the same number left of its pictures is in the way of none', async () => {
  damaged('drawn')
  const left = ['bundle', 'samples.png'].map((name) => temporaryName(path('drawn', name)))
  for (const folder of left) mkdirSync(join(folder, 'half'), { recursive: true })
  expect(await niceflowHere(training('drawn', '--resume', '--sample-size', '4'))).toMatchObject({ code: 0 })
  expect(Object.keys(files('drawn')).sort()).toEqual([...Object.keys(files('whole')), runSamples].sort())
})

test('a run that patience ended says so when it is resumed', async () => {
  const impatient = training('impatient', '--max-iter', '40', '--patience', '1', '--lr', '0.03')
  const { epochs, best } = await answer<{ epochs: number; best: { epoch: number } }>(impatient, niceflowHere)
  expect(epochs).toBe(best.epoch + 1)
  expect(epochs).toBeLessThan(40)
  expect(await niceflowHere([...impatient, '--resume'])).toMatchObject({
    code: 0,
    stderr: `nothing left to do: it stopped after epoch ${epochs}, as none after epoch ${best.epoch} was better (--patience 1)\n`,
  })
})

/** Lets other work of this process go on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Linux has a device on which there is never space; what the system says of other full disks is the same. */
const full = ['/dev/full'].filter(existsSync)

test.each(full)('a disk without space is an error in a line, and harms no checkpoint: %s', async (device) => {
  damaged('full', 'last.safetensors')
  const before = files('full')
  const next = path('full', 'next.safetensors')
  const ended = niceflowHere(training('full', '--resume'))
  // Not before the start: what is there then is taken for an earlier process's.
  const { mock } = vi.mocked(process.stderr.write)
  while (!mock.calls.some(([text]) => String(text).startsWith('training on'))) await turn()
  symlinkSync(device, temporaryName(next))
  const { code, stdout, stderr } = await ended
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr.split('\n').slice(-3)).toEqual([
    `niceflow: file ${next} cannot be written: ENOSPC`,
    '  free some space on the disk, then run the command again (train and score go on with --resume)',
    '',
  ])
  const { 'last.safetensors': _, ...whole } = before
  expect(files('full')).toEqual(whole)
})

test('what reads a run says what it passes over', async () => {
  damaged('read', 'last.safetensors', 'previous.safetensors')
  const { code, stderr } = await niceflowHere(['summary', path('read')])
  expect(code).toBe(0)
  expect(stderr.split('\n')).toEqual([
    expect.stringMatching(/^warning: checkpoint .*last\.safetensors: .*; it is passed over$/),
    expect.stringMatching(/^warning: checkpoint .*previous\.safetensors: .*; it is passed over$/),
    '',
  ])
})
