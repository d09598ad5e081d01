import { readFileSync, writeFileSync } from 'node:fs'
import { type Manifest, tensor } from '@niceflow/core'
import { loadImages } from '@niceflow/data'
import { readNpy, readPng, writeNpy, writePng } from '@niceflow/formats'
import { maskNames } from '@niceflow/runtime'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answer, niceflow, niceflowHere, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const threads = ['--threads', '1']
const here = <T>(...args: string[]): Promise<T> => answer<T>(['inpaint', path('digits'), ...args, ...threads], niceflowHere)
const image = (file: string) => readPng(readFileSync(path(file)), file)
const grey = (file: string, width: number, data: Uint8Array): void => {
  writeFileSync(path(file), writePng({ width, height: data.length / width, channels: 1, data }))
}

type Answered = {
  method: string
  done: number
  stopped: boolean
  examples: number
  logLikelihood: { mean: number; standardError: number | null }
  hiddenError: number | null
  masks: { mask: string; examples: number; logLikelihood: { mean: number }; hiddenError: number }[]
  trace: { step: number; logLikelihood: number }[]
  files: string[]
}

let digit: Uint8Array
beforeAll(async () => {
  digit = (await loadImages('mnist')).test.data.slice(0, 784)
  grey('digit.png', 28, digit)
  await answer(['train', ...tinyModel, '--out', path('run')], niceflowHere)
  await answer(['export', path('run'), '--out', path('digits'), ...threads], niceflowHere)
})

test('one image comes out as it went in, but for what was hidden', async () => {
  const found = await here<Answered>('--input', path('digit.png'), '--mask', 'rect:10,5,8,20', '--steps', '40', '--out', path('filled.png'))
  expect(found).toMatchObject({ method: 'sign', done: 40, stopped: false, examples: 1, files: [path('filled.png')] })
  const { width, height, data } = image('filled.png')
  expect([width, height]).toEqual([28, 28])
  const hidden = (k: number): boolean => Math.floor(k / 28) >= 10 && Math.floor(k / 28) < 18 && k % 28 >= 5 && k % 28 < 25
  expect(data.filter((_, k) => !hidden(k))).toEqual(digit.filter((_, k) => !hidden(k)))
  expect(data).not.toEqual(digit)
  expect(found.hiddenError).toBeGreaterThan(0)
  expect(found.hiddenError).toBeLessThan(0.6)
})

test('the sign of the gradient ends likelier and nearer than the paper and the script at equal steps', async () => {
  const figures: Answered[] = []
  for (const method of ['sign', 'paper', 'authors']) {
    figures.push(await here<Answered>('--dataset', 'mnist', '--count', '4', '--mask', 'all', '--steps', '100', '--method', method))
  }
  const [sign, ...others] = figures as [Answered, ...Answered[]]
  expect(sign.masks.map(({ mask }) => mask)).toEqual(maskNames)
  for (const other of others) {
    expect(sign.logLikelihood.mean).toBeGreaterThan(other.logLikelihood.mean)
    expect(sign.hiddenError).toBeLessThan(other.hiddenError!)
  }
  expect(sign.trace.map(({ step }) => step)).toEqual([...Array.from({ length: 20 }, (_, i) => 5 * i), 99])
})

test('figure 6: originals, what is observed and what was filled, a row for each mask', async () => {
  await here('--dataset', 'mnist', '--count', '3', '--mask', 'all', '--steps', '5', '--figure', path('figure.png'))
  // 9 images of 28 doubled by 10, lines of 2.
  expect(image('figure.png')).toMatchObject({ width: 9 * 58 + 2, height: 10 * 58 + 2 })
})

test('a trajectory is an animation or a strip, from the start to the end', async () => {
  const words = ['--dataset', 'mnist', '--count', '2', '--mask', 'left', '--steps', '12', '--frames', '4'] as const
  await here(...words, '--trajectory', path('t.png'), '--out', path('t.npy'))
  expect(image('t.png')).toMatchObject({ width: 5 * 58 + 2, height: 2 * 58 + 2 })
  await here(...words, '--trajectory', path('t.gif'))
  const gif = readFileSync(path('t.gif'))
  expect(gif.subarray(0, 6).toString()).toBe('GIF89a')
  // Each frame has a graphic control block of its own (GIF89a specification, section 23).
  expect(gif.toString('latin1').split('\x21\xf9\x04').length - 1).toBe(5)
})

test('frames, and so the chunks that they take, change no result; the seed does', async () => {
  const fill = async (out: string, ...more: string[]) => {
    const words = ['--input', path('digit.png'), '--mask', 'random-75', '--method', 'paper', '--steps', '20', '--out', path(out)]
    await here(...words, ...more)
    return readNpy(readFileSync(path(out)), out)
  }
  const whole = await fill('a.npy')
  expect(await fill('b.npy', '--trajectory', path('b.png'), '--frames', '7')).toEqual(whole)
  expect(await fill('c.npy', '--seed', '1')).not.toEqual(whole)
  expect(whole.dims).toEqual([1, 784])
})

test('an example has a place in its dataset, or is a file, or several are either', async () => {
  const words = ['--mask', 'top', '--steps', '3', '--out', path('placed.npy')]
  const { examples } = await here<Answered>('--input', 'mnist:test:0', '--input', path('digit.png'), ...words)
  expect(examples).toBe(2)
  const both = readNpy(readFileSync(path('placed.npy')), 'placed.npy').data as Float32Array
  await here('--input', path('digit.png'), path('digit.png'), ...words)
  expect(readNpy(readFileSync(path('placed.npy')), 'placed.npy').data).toEqual(both)
})

test('a mask may be an image, black where pixels are hidden', async () => {
  const bars = Uint8Array.from({ length: 784 }, (_, k) => (k % 28 < 14 ? 0 : 255))
  grey('mask.png', 28, bars)
  const words = ['--input', path('digit.png'), '--steps', '10', '--method', 'paper'] as const
  await here(...words, '--mask', path('mask.png'), '--out', path('by-image.npy'))
  await here(...words, '--mask', 'left', '--out', path('by-name.npy'))
  expect(readFileSync(path('by-image.npy'))).toEqual(readFileSync(path('by-name.npy')))
})

test('what is hidden may be no number, and a mask may hide just that', async () => {
  const whole = tensor(
    'float32',
    [1, 784],
    Float32Array.from(digit, (pixel) => (pixel + 0.5) / 256),
  )
  const hidden = (k: number): boolean => k >= 392
  const put = (file: string, value: number): void => {
    writeFileSync(path(file), writeNpy({ ...whole, data: whole.data.map((own, k) => (hidden(k) ? value : own)) }))
  }
  put('holes.npy', Number.NaN)
  put('infinite.npy', Number.POSITIVE_INFINITY)
  const fill = async (file: string, mask: string, ...more: string[]) => {
    const found = await here<Answered>('--input', path(file), '--mask', mask, '--steps', '10', '--out', path('filled.npy'), ...more)
    return { ...found, x: readNpy(readFileSync(path('filled.npy')), file).data as Float32Array }
  }
  const named = await fill('holes.npy', 'bottom')
  expect(named.hiddenError).toBeNull()
  expect(named.x.filter((_, k) => !hidden(k))).toEqual(whole.data.filter((_, k) => !hidden(k)))
  expect(named.x.every((value) => value >= 0 && value <= 1)).toBe(true)
  expect((await fill('infinite.npy', 'bottom')).x).toEqual(named.x)
  expect((await fill('holes.npy', 'nan', '--figure', path('holes.png'))).x).toEqual(named.x)
  // Of the three images, each pixel four of the picture's, two show the holes.
  const { data } = image('holes.png')
  expect(data.filter((value) => value === 128).length).toBeGreaterThanOrEqual(2 * 392 * 4)
})

describe('what cannot be filled is refused in one line', () => {
  beforeAll(() => {
    grey('small.png', 14, new Uint8Array(14 * 14).fill(255))
    grey('grey.png', 28, new Uint8Array(784).fill(128))
    grey('none.png', 28, new Uint8Array(784).fill(255))
    grey('all.png', 28, new Uint8Array(784))
    const floats = tensor('float32', [2, 784])
    writeFileSync(path('bright.npy'), writeNpy({ ...floats, data: floats.data.map((_, k) => (k === 784 ? 2 : 0.5)) }))
    writeFileSync(path('nan.npy'), writeNpy({ ...floats, data: floats.data.map((_, k) => (k === 3 ? Number.NaN : 0.5)) }))
    writeFileSync(path('empty.npy'), writeNpy(tensor('float32', [0, 784])))
  })

  const input = '--input DIR/digit.png'
  test.each<[string, number, RegExp]>([
    [`${input} --mask DIR/small.png`, 1, /small\.png: mask size: expected 28 x 28, got 14 x 14$/],
    [`${input} --mask DIR/grey.png`, 1, /grey\.png: mask: expected 0 \(black, hidden\) and 255 \(white, observed\), got 128$/],
    [`${input} --mask DIR/none.png`, 1, /^niceflow: row 0 of mask: expected a hidden pixel to fill, got none hidden$/],
    [`${input} --mask DIR/all.png`, 1, /^niceflow: row 0 of mask: expected an observed pixel to go by, got all hidden$/],
    [`${input} --mask DIR/missing.png`, 1, /missing\.png: cannot be read: ENOENT$/],
    [`${input} --mask upper`, 2, /^niceflow: mask: expected one of top, bottom, .* got upper$/],
    [`${input} --mask rect:0,0,29,1`, 2, /^niceflow: mask: expected a rectangle within 28 rows and 28 columns, got rect:0,0,29,1$/],
    [`${input} --mask top --method magic`, 2, /Argument: method, Given: "magic", Choices: "sign", "paper", "authors"$/],
    [`${input} --mask top --steps 0`, 2, /--steps: expected an integer from 1, got 0$/],
    ['--mask top', 2, /^niceflow: expected --input or --dataset, got neither$/],
    [`${input} --dataset mnist --mask top`, 2, /^niceflow: expected --input or --dataset, got both$/],
    ['--input DIR/bright.npy --mask bottom', 1, /^niceflow: row 1 of x: expected observed pixels on \[0, 1\], got 2 at 0$/],
    ['--input DIR/nan.npy --mask bottom', 1, /^niceflow: row 0 of x: expected observed pixels on \[0, 1\], got NaN at 3$/],
    ['--input DIR/nan.npy --mask nan', 1, /^niceflow: row 1 of mask: expected a hidden pixel to fill, got none hidden$/],
    [`${input} --mask nan`, 1, /^niceflow: row 0 of mask: expected a hidden pixel to fill, got none hidden$/],
    ['--input DIR/empty.npy --mask top', 1, /empty\.npy: shape: expected \[n, 784\] or \[n, 28, 28\], got \[0, 784\]$/],
    ['--input DIR/small.png --mask top', 1, /small\.png: image size: expected 28 x 28, got 14 x 14$/],
  ])('%s', async (words, code, message) => {
    const args = ['inpaint', path('digits'), ...words.replaceAll('DIR', path()).split(' '), '--out', path('never.png'), ...threads]
    const outcome = await niceflowHere(args)
    expect({ code: outcome.code, stdout: outcome.stdout }).toEqual({ code, stdout: '' })
    const lines = outcome.stderr.split('\n').filter((line) => !/^(warning: | {2}|$)/.test(line))
    expect(lines).toEqual([expect.stringMatching(message)])
  })

  test('and a result that goes nowhere, or to a file of no kind', async () => {
    const words = ['inpaint', path('digits'), '--input', path('digit.png'), '--mask', 'top', ...threads]
    expect(await niceflowHere(words)).toMatchObject({ code: 2, stderr: expect.stringContaining('something to show for it') })
    expect(await niceflowHere([...words, '--out', path('a.jpg')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--out: expected a file ending in .png, .npy, .csv, got '),
    })
  })
})

test('Control-C ends the ascent, writes what it reached, and says so', async () => {
  let sent = false
  const words = ['--input', path('digit.png'), '--mask', 'top', '--steps', '1000000', '--out', path('stopped.png'), '--json', ...threads]
  const { code, stdout, stderr } = await niceflow(['inpaint', path('digits'), ...words], {
    onStderr: (soFar, child) => {
      if (sent || !soFar.includes('examples to fill: 1; sign, 1,000,000 steps')) return
      sent = true
      child.kill('SIGINT')
    },
  })
  expect(code).toBe(130)
  expect(stderr).toContain('stopping after this run of the graph; once more to end at once')
  const found = JSON.parse(stdout) as Answered
  expect(found.stopped).toBe(true)
  expect(found.done).toBeLessThan(1_000_000)
  expect(image('stopped.png')).toMatchObject({ width: 28, height: 28 })
})

test('a bundle of an older version has no inpainter, says how it gets one, and gets it', async () => {
  await answer(['export', path('digits'), '--out', path('old'), ...threads], niceflowHere)
  const manifest = JSON.parse(readFileSync(path('old', 'flow.json'), 'utf8')) as Manifest
  const { inpainter: _, ...variant } = manifest.variants.fp32!
  writeFileSync(path('old', 'flow.json'), JSON.stringify({ ...manifest, variants: { fp32: variant } }))
  const words = ['--input', path('digit.png'), '--mask', 'top', '--steps', '2', '--json', ...threads]
  expect(await niceflowHere(['inpaint', path('old'), ...words])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /niceflow: bundle old has no inpainter\n {2}an older version wrote it: `niceflow export BUNDLE --out NEW` adds one\n$/,
    ),
  })
  await answer(['export', path('old'), '--out', path('new'), '--name', 'digits', ...threads], niceflowHere)
  expect((await niceflowHere(['inpaint', path('new'), ...words])).code).toBe(0)
  for (const file of ['weights.bin', 'encoder.onnx', 'decoder.onnx']) {
    expect(readFileSync(path('new', file))).toEqual(readFileSync(path('digits', file)))
  }
})
