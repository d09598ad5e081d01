import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type Manifest, parseManifest } from '@niceflow/core'
import { readSafetensors, writeSafetensors } from '@niceflow/formats'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answer, niceflowHere, tinyModel, workspace } from './niceflow.fixture.ts'

const { path, remove } = workspace()
afterAll(remove)

const threads = ['--threads', '1']
const here = <T>(...args: string[]): Promise<T> => answer<T>([...args, ...threads], niceflowHere)
const manifestOf = (bundle: string): Manifest => parseManifest(readFileSync(path(bundle, 'flow.json'), 'utf8'), bundle)
const contentsOf = (folder: string): Record<string, Buffer> =>
  Object.fromEntries(readdirSync(path(folder)).map((file) => [file, readFileSync(path(folder, file))]))

type Exported = {
  storageCost: NonNullable<Manifest['storageCost']>
  verification: { dtype: string; variants: { dtype: string; roundTrip: { max: number } }[] }
}

let exported: Exported
beforeAll(async () => {
  await answer(['train', ...tinyModel, '--out', path('run')], niceflowHere)
  exported = await here('export', path('run'), '--out', path('small'), '--dtype', 'fp16,q8')
})

test('export stores weights as it is told, proves every variant, and tells what each costs', async () => {
  const files =
    'README.md decoder.onnx decoder_q8.onnx encoder.onnx encoder_q8.onnx flow.json inpainter.onnx inpainter_q8.onnx samples.png weights.bin weights_q8.bin'
  expect(readdirSync(path('small')).sort()).toEqual(files.split(' '))
  const manifest = manifestOf('small')
  expect([manifest.dtype, Object.keys(manifest.variants)]).toEqual(['fp16', ['fp16', 'q8']])
  expect(exported.verification).toMatchObject({ dtype: 'fp16', variants: [{ dtype: 'fp16' }, { dtype: 'q8' }] })
  expect(exported.storageCost).toEqual(manifest.storageCost)
  const { split, examples, nats } = exported.storageCost
  expect({ split, examples }).toEqual({ split: 'validation', examples: 400 })
  /** Bounds for any model that is worth storing so; this one has 1,300 nats. */
  expect(Math.abs(nats.fp16!.mean)).toBeLessThan(0.05)
  expect(Math.abs(nats.q8!.mean)).toBeLessThan(2)
  expect(nats.q8!.standardError).toBeGreaterThan(nats.fp16!.standardError)
})

test('the cost is against the parameters of the run, whether or not the bundle has them', async () => {
  const all = await here<Exported>('export', path('run'), '--out', path('all'), '--dtype', 'fp32', '--dtype', 'q8,fp32')
  expect(Object.keys(manifestOf('all').variants)).toEqual(['fp32', 'q8'])
  expect(all.storageCost.nats.fp32).toEqual({ mean: 0, standardError: 0 })
  expect(all.storageCost.nats.q8).toEqual(exported.storageCost.nats.q8)
})

test('the card and the answer to people show it', async () => {
  const { mean, standardError } = exported.storageCost.nats.q8!
  const cost = `${mean.toFixed(4)} ± ${standardError.toFixed(4)}`
  const card = readFileSync(path('small', 'README.md'), 'utf8')
  expect(card).toMatch(
    new RegExp(
      `^\\| q8 \\| 0\\.1 MB \\| ${cost} \\| .encoder_q8.onnx., .decoder_q8.onnx., .inpainter_q8.onnx., .weights_q8.bin. \\|$`,
      'm',
    ),
  )
  const { stdout } = await niceflowHere(['export', path('run'), '--out', path('again'), '--dtype', 'fp16,q8', ...threads])
  expect(stdout).toContain('stored as, and the nats that 400 validation examples lose by it in mean:')
  expect(stdout).toMatch(new RegExp(`^ {2}q8 +0\\.1 MB +${cost}$`, 'm'))
  expect(stdout).toMatch(/^ {2}q8 +max \|decode\(encode\(x\)\) - x\| +[\d.e-]+ +at most 0\.0001$/m)
  // Bounds that were reckoned from the weights have two digits that count.
  expect(stdout).not.toMatch(/at most \d*\.0*[1-9]\d\d/)
})

test('eval, score, sample and verify take a variant, the default if they are told none', async () => {
  type Evaluated = { dtype: string; logLikelihood: { mean: number } }
  const evaluate = (...more: string[]) =>
    here<Evaluated>('eval', path('small'), '--dataset', 'mnist', '--split', 'validation', '--draws', '1', ...more)
  const [fp16, q8] = [await evaluate(), await evaluate('--dtype', 'q8')]
  expect([fp16.dtype, q8.dtype]).toEqual(['fp16', 'q8'])
  const { nats } = exported.storageCost
  expect(fp16.logLikelihood.mean - q8.logLikelihood.mean).toBeCloseTo(nats.q8!.mean - nats.fp16!.mean, 6)

  const sample = (dtype: string) => here('sample', path('small'), '--count', '20', '--out', path(`${dtype}.npy`), '--dtype', dtype)
  expect([await sample('fp16'), await sample('q8')]).toMatchObject([{ dtype: 'fp16' }, { dtype: 'q8' }])
  expect(readFileSync(path('q8.npy'))).not.toEqual(readFileSync(path('fp16.npy')))

  type Scored = { dtype: string; examples: { logLikelihood: number }[] }
  const score = (dtype: string) => here<Scored>('score', path('small'), path('fp16.npy'), '--dtype', dtype)
  const [a, b] = [await score('fp16'), await score('q8')]
  expect([a.dtype, b.dtype]).toEqual(['fp16', 'q8'])
  expect(a.examples).not.toEqual(b.examples)

  type Verified = { dtype: string; variants: { dtype: string }[] }
  const verified = [await here<Verified>('verify', path('small')), await here<Verified>('verify', path('small'), '--dtype', 'q8')]
  expect(verified.map(({ dtype, variants }) => [dtype, variants.map((one) => one.dtype)])).toEqual([
    ['fp16', ['fp16', 'q8']],
    ['q8', ['q8']],
  ])
})

test('a variant that the bundle has not is refused with those that it has, and only the default is recorded', async () => {
  expect(await niceflowHere(['verify', path('small'), '--dtype', 'fp32'])).toMatchObject({
    code: 1,
    stderr: `niceflow: dtype of ${path('small', 'flow.json')}: expected fp16 or q8, got fp32\n  choose one that the bundle has, or export it again with this one\n`,
  })
  const words = ['eval', path('small'), '--dataset', 'mnist', '--split', 'test', '--record', '--dtype', 'q8', ...threads]
  expect(await niceflowHere(words)).toMatchObject({
    code: 2,
    stderr: `niceflow: --dtype to record: expected fp16, the bundle's default, got q8\n  record without --dtype, or export with this one first\n`,
  })
})

test('an export that fails leaves the earlier bundle as it was, and nothing beside it', async () => {
  cpSync(path('small'), path('kept'), { recursive: true })
  cpSync(path('run'), path('broken'), { recursive: true })
  const file = path('broken', 'best.safetensors')
  const { tensors, metadata } = readSafetensors(readFileSync(file), file)
  tensors['coupling_1/layer_1/bias']!.data[0] = Number.NaN
  writeFileSync(file, Buffer.concat(writeSafetensors(tensors, { niceflow: metadata.niceflow! })))
  const before = [contentsOf('kept'), readdirSync(path())]
  const outcome = await niceflowHere(['export', path('broken'), '--out', path('kept'), '--overwrite', ...threads])
  expect(outcome).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('its log-likelihood is NaN') })
  expect([contentsOf('kept'), readdirSync(path())]).toEqual(before)
})
