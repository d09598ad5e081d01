import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fillUniform, type Manifest, normalQuantile, parseManifest, streamKey, tensor } from '@niceflow/core'
import { readNpy, readPng, writeIdx, writeNpy, writePng } from '@niceflow/formats'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answer, niceflowHere, workspace } from './niceflow.fixture.ts'

/** A user's own files, by their path, from a look at them to scores. */

const { path, remove } = workspace()
afterAll(remove)

const tiny = '--mid-dim 8 --hidden 1 --coupling 4 --max-iter 4 --batch-size 50 --lr 1e-2 --threads 1 --device cpu'.split(' ')
const threads = ['--threads', '1', '--device', 'cpu']
const manifestOf = (bundle: string): Manifest => parseManifest(readFileSync(path(bundle, 'flow.json'), 'utf8'), bundle)

/** Rows of two normal columns of very different units: b goes with a. */
function rowsOf(count: number, from = 0): [number, number][] {
  return Array.from({ length: count }, (_, i) => {
    const uniforms = new Float32Array(2)
    fillUniform(streamKey(5, 'probe', from + i), uniforms)
    const [u, v] = Array.from(uniforms, normalQuantile) as [number, number]
    return [50_000 + 8000 * u, 0.01 * (0.8 * u + 0.6 * v)]
  })
}

/** ln of the density of these rows: two independent normals, scaled by 8000 and 0.006. */
const logDensity = ([a, b]: readonly [number, number]): number => {
  const u = (a - 50_000) / 8000
  const v = (b / 0.01 - 0.8 * u) / 0.6
  return -Math.log(2 * Math.PI) - (u * u + v * v) / 2 - Math.log(8000 * 0.006)
}
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const csv = (rows: readonly (readonly (number | string)[])[], heading = 'income,"rate, p.a."'): string =>
  `${heading}\n${rows.map((row) => row.join(',')).join('\n')}\n`

describe('a table', () => {
  const rows = rowsOf(1000)
  let trained: { logLikelihood: number; range: unknown }
  beforeAll(async () => {
    writeFileSync(path('t.csv'), csv(rows))
    trained = await answer(['train', '--dataset', path('t.csv'), '--out', path('run'), '--validation', '100', ...tiny], niceflowHere)
    await answer(['export', path('run'), '--out', path('table'), ...threads], niceflowHere)
  })

  test('is fitted in its own units, with columns as it names them', async () => {
    // Ten thousands and hundredths: only with the standardisation's determinant counted does this come out near the density itself.
    expect(Math.abs(trained.logLikelihood - mean(rows.map(logDensity)))).toBeLessThan(0.3)
    expect(readFileSync(path('run', 'samples.svg'), 'utf8')).toContain('data beside samples')
    const { model, provenance, calibration } = manifestOf('table')
    expect(model).toMatchObject({ dim: 2, pixels: false, imageShape: null, columns: ['income', 'rate, p.a.'] })
    expect(provenance).toMatchObject({ dataset: path('t.csv'), preparation: { testFraction: 0.1 }, trainingExamples: 800 })
    expect(calibration).toMatchObject({ split: 'validation', examples: 100 })
    const card = readFileSync(path('table', 'README.md'), 'utf8')
    expect(card).toContain("a density in the data's own units")
    expect(card).toContain('Columns: income, rate, p.a..')
    expect(card).toMatch(/niceflow train --dataset=\S+t\.csv --test-fraction=0\.1 --out=RUN --seed=0 --preset=table/)
    expect(card).not.toContain('data-range')
    expect(readFileSync(path('table', 'samples.svg'), 'utf8')).toContain('<title>table: data beside samples</title>')
  })

  test('is evaluated, in nats alone', async () => {
    const words = ['eval', path('table'), '--dataset', path('t.csv'), '--split', 'test', '--record', ...threads]
    const found = await answer<{ logLikelihood: { mean: number }; bitsPerDim: null; examples: number }>(words, niceflowHere)
    expect(found).toMatchObject({ bitsPerDim: null, examples: 100 })
    const { stdout } = await niceflowHere(words)
    expect(stdout).toMatch(/^test log-likelihood: -\d+\.\d+ ± \d\.\d+ nats in the data's own units; 100 examples on cpu\n/)
    writeFileSync(path('later.csv'), csv(rowsOf(40, 5000)))
    const whole = ['eval', path('table'), '--dataset', path('later.csv'), '--split', 'test', '--test-fraction', '1', ...threads]
    expect(await answer(whole, niceflowHere)).toMatchObject({ examples: 40 })
  })

  test('is scored by the names of its columns, whatever their order, and by rows of an array', async () => {
    const some = rows.slice(0, 5)
    writeFileSync(
      path('turned.csv'),
      csv(
        some.map(([a, b]) => [b, 7, a]),
        '"rate, p.a.",x,income',
      ),
    )
    writeFileSync(path('some.npy'), writeNpy(tensor('float64', [5, 2], Float64Array.from(some.flat()))))
    type Scored = { examples: { logLikelihood: number; bitsPerDim: null; outlier: boolean }[] }
    const scoresOf = async (file: string): Promise<Scored['examples']> =>
      (await answer<Scored>(['score', path('table'), path(file), ...threads], niceflowHere)).examples
    const [turned, array] = [await scoresOf('turned.csv'), await scoresOf('some.npy')]
    expect(turned.map(({ logLikelihood }) => logLikelihood)).toEqual(array.map(({ logLikelihood }) => logLikelihood))
    for (const [i, { logLikelihood }] of turned.entries()) expect(Math.abs(logLikelihood - logDensity(some[i]!))).toBeLessThan(1.5)
    writeFileSync(path('far.csv'), csv([[50_000, 3]]))
    expect((await scoresOf('far.csv'))[0]).toMatchObject({ outlier: true, bitsPerDim: null })
  })

  test('is sampled to a table that is read back', async () => {
    await answer(['sample', path('table'), '--count', '300', '--out', path('drawn.csv'), ...threads], niceflowHere)
    await answer(['sample', path('table'), '--count', '300', '--out', path('drawn.npy'), ...threads], niceflowHere)
    const lines = readFileSync(path('drawn.csv'), 'utf8').trim().split('\n')
    expect(lines[0]).toBe('income,"rate, p.a."')
    const drawn = lines.slice(1).flatMap((line) => line.split(',').map((cell) => Math.fround(Number(cell))))
    expect(drawn).toEqual([...readNpy(readFileSync(path('drawn.npy')), 'drawn.npy').data])
  })

  test('has its missing values filled in', async () => {
    writeFileSync(
      path('holes.csv'),
      csv([
        ['50000', ''],
        ['', '0.01'],
        ['58000', 'NA'],
      ]),
    )
    const words = ['inpaint', path('table'), '--input', path('holes.csv'), '--mask', 'nan', '--steps', '20', '--out', path('filled.csv')]
    await answer([...words, ...threads], niceflowHere)
    const lines = readFileSync(path('filled.csv'), 'utf8').trim().split('\n')
    expect(lines.map((line) => line.split(','))).toEqual([
      ['income', '"rate', ' p.a."'],
      ['50000', expect.stringMatching(/^-?[\d.e-]+$/)],
      [expect.stringMatching(/^[\d.]+$/), '0.01'],
      ['58000', expect.stringMatching(/^-?[\d.e-]+$/)],
    ])
    const { code, stderr } = await niceflowHere(['score', path('table'), path('holes.csv'), ...threads])
    expect([code, stderr]).toEqual([1, expect.stringContaining('row 0 of')])
  })

  test('has a report of its columns', async () => {
    await answer(['report', path('run'), path('table'), '--out', path('report')], niceflowHere)
    const page = readFileSync(path('report', 'report.html'), 'utf8')
    expect(page).toContain('data beside samples')
    expect(page).not.toContain('Bits per dimension')
    expect(existsSync(path('report', 'samples.svg'))).toBe(true)
  })

  test('is gone on with, and refused when it has changed', async () => {
    const words = ['train', '--dataset', path('t.csv'), '--out', path('run'), '--validation', '100', ...tiny, '--resume']
    expect((await niceflowHere(words)).code).toBe(0)
    writeFileSync(path('t.csv'), csv([[50_001, 0.01], ...rows.slice(1)]))
    const { code, stderr } = await niceflowHere(words)
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/run \S+: its data\.sha256 is "[0-9a-f]{64}", now "[0-9a-f]{64}" is asked for/),
    ])
    const exported = await niceflowHere(['export', path('run'), '--out', path('again'), ...threads])
    expect(exported.code).toBe(0)
    expect(exported.stderr).toMatch(/warning: \S+t\.csv has changed since the model was trained on it \(SHA-256 [0-9a-f]{12}…, now/)
    expect(manifestOf('again').calibration).toBeNull()
    writeFileSync(path('t.csv'), csv(rows))
  })

  test('with what hurts training is trained with warnings that say so', async () => {
    const broken = rows.slice(0, 60).map(([a, b], i) => [a, b, 2 * a + 1, 4, i % 5])
    writeFileSync(path('broken.csv'), csv(broken, 'a,b,twice,four,day'))
    const { code, stderr } = await niceflowHere(['train', '--dataset', path('broken.csv'), '--out', path('broken'), ...tiny])
    expect(code).toBe(0)
    for (const what of [
      'column four is constant',
      'column twice is column a again, but for scale and shift',
      'column day holds whole numbers alone',
    ])
      expect(stderr).toContain(`warning: data "${path('broken.csv')}": ${what}: a density has no bound there;`)
    const { findings } = await answer<{ findings: { kind: string }[] }>(['data', 'inspect', path('broken.csv')], niceflowHere)
    expect(findings.map(({ kind }) => kind)).toEqual(['constant', 'whole', 'copy'])
  })
})

describe('images', () => {
  beforeAll(() => {
    mkdirSync(path('scans'))
    for (let i = 0; i < 24; i++) {
      // Pixels of the last row are black in all.
      const data = Uint8Array.from({ length: 36 }, (_, at) => (at < 30 ? (at * 7 * (i + 1) + i * i) % 200 : 0))
      writeFileSync(path('scans', `${i}.png`), writePng({ width: 6, height: 6, channels: 1, data }))
    }
  })

  test('fewer than a batch, with constant pixels, are fitted, and scored by names of examples', async () => {
    const { logLikelihood } = await answer<{ logLikelihood: number }>(
      ['train', '--dataset', path('scans'), '--resize', '4x4', '--out', path('run-scans'), ...tiny],
      niceflowHere,
    )
    expect(logLikelihood).toBeLessThan(16 * Math.log(256))
    await answer(['export', path('run-scans'), '--out', path('scans-bundle'), ...threads], niceflowHere)
    expect(manifestOf('scans-bundle')).toMatchObject({
      model: { dim: 16, pixels: true, imageShape: [4, 4] },
      provenance: { preparation: { resize: [4, 4], testFraction: 0.1 } },
      calibration: { examples: 2 },
    })
    // The dataset is read as the model's own was, without being told again.
    const words = ['eval', path('scans-bundle'), '--dataset', path('scans'), '--split', 'test', ...threads]
    expect(await answer(words, niceflowHere)).toMatchObject({ examples: 2, bitsPerDim: expect.any(Number) })
    const { examples } = await answer<{ examples: unknown[] }>(['score', path('scans-bundle'), path('scans'), ...threads], niceflowHere)
    expect(examples).toHaveLength(24)
  })

  test('are looked at as a contact sheet', async () => {
    const { stdout } = await niceflowHere(['data', 'inspect', path('scans'), '--out', path('sheet.png')])
    expect(stdout).toMatch(/examples +24 images of 6 x 6, uint8\n/)
    expect(stdout).toMatch(/constant pixels +6\n/)
    expect(readPng(readFileSync(path('sheet.png')), 'sheet.png')).toMatchObject({ width: 5 * 14 + 2, height: 5 * 14 + 2 })
  })
})

describe('is refused in a line, with the way out', () => {
  test.each<[string, string | Uint8Array, readonly string[], string, string]>([
    ['labels.idx', writeIdx(tensor('uint8', [30])), [], 'IDX array: expected images', 'one number each is what labels are'],
    ['words.csv', 'a,b\n1,2\n3,x\n', [], 'row 2 (line 3), column b: expected a finite float32 number, got x', 'leave the column out'],
    ['one.png', writePng({ width: 2, height: 2, channels: 1, data: new Uint8Array(4) }), [], 'examples: expected at least 3', 'give more'],
    ['few.csv', csv(rowsOf(30)), ['--resize', '4by4'], '--resize: expected WIDTHxHEIGHT, such as 28x28, got 4by4', 'niceflow train --help'],
    ['few.csv', csv(rowsOf(30)), ['--test-fraction', '2'], 'test fraction: expected a number from 0 to 1, got 2', 'niceflow train --help'],
  ])('%s', async (name, content, flags, message, remedy) => {
    writeFileSync(path(name), content)
    const { code, stderr } = await niceflowHere(['train', '--dataset', path(name), '--out', path('refused'), ...flags, ...tiny])
    expect(code).toBe(flags.length > 0 ? 2 : 1)
    expect(stderr).toContain(message)
    expect(stderr).toContain(remedy)
    expect(existsSync(path('refused'))).toBe(false)
  })

  test('a table, by a model of images', async () => {
    writeFileSync(path('few.csv'), csv(rowsOf(30)))
    const { code, stderr } = await niceflowHere(['score', path('scans-bundle'), path('few.csv'), ...threads])
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('few.csv: format: expected pixels, like the data of the model, got a table of numbers'),
    ])
  })

  test('what is not there', async () => {
    const { code, stderr } = await niceflowHere(['data', 'inspect', path('nowhere')])
    expect([code, stderr]).toEqual([1, `niceflow: ${path('nowhere')}: cannot be read: ENOENT\n  check the path\n`])
  })
})
