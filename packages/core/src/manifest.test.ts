import { describe, expect, it } from 'vitest'
import { type Manifest, manifestVersion, parseManifest } from './manifest.ts'

const sha256 = '0123456789abcdef'.repeat(4)

const manifest = {
  formatVersion: 1,
  name: 'mnist',
  model: { dim: 784, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: [28, 28] },
  config: { couplings: 4 },
  dtype: 'fp32',
  variants: { fp32: { encoder: 'encoder.onnx', decoder: 'decoder.onnx', weights: 'weights.bin' } },
  files: { 'encoder.onnx': { bytes: 1000, sha256 }, 'decoder.onnx': { bytes: 900, sha256 }, 'weights.bin': { bytes: 0, sha256 } },
  provenance: {
    seed: 0,
    dataset: 'mnist',
    datasetSha256: sha256,
    trainingExamples: 50_000,
    epochs: 10,
    steps: 2500,
    engine: 'onnxruntime',
    versions: { niceflow: '0.1.0' },
  },
  evaluation: {
    split: 'test',
    examples: 10_000,
    draws: 1,
    seed: 0,
    logLikelihood: { mean: 1980.5, standardError: 1.5 },
    bitsPerDim: 4.356,
  },
  calibration: {
    split: 'validation',
    examples: 10_000,
    quantiles: [
      [0, 1200],
      [1, 2700],
    ],
  },
} as const satisfies Manifest

const distribution = [
  [0, 1],
  [1, 2],
] as const
const line = { intercept: 1, slope: -2 }
const bySize = { bits: distribution, excess: distribution, expected: line, spread: line, deviation: distribution, rarity: distribution }

/** The manifest with the field at `path` set to `value` (taken out for undefined). */
function changed(path: readonly string[], value: unknown): string {
  const copy: Record<string, unknown> = structuredClone(manifest)
  const parent = path.slice(0, -1).reduce<Record<string, unknown>>((object, key) => object[key] as Record<string, unknown>, copy)
  parent[path.at(-1)!] = value
  return JSON.stringify(copy)
}

const fault = (message: string, remedy = 'export the bundle again'): unknown =>
  expect.objectContaining({ name: 'InvalidManifestError', message: expect.stringMatching(message), remedy })

describe('parseManifest', () => {
  it('reads back what was written', () => {
    expect(parseManifest(JSON.stringify(manifest), 'flow.json')).toEqual(manifest)
  })

  it.each([
    [['model', 'imageShape'], null],
    [['model', 'logScale'], new Array(784).fill(-0.5)],
    [['evaluation'], null],
    [['calibration'], null],
    [['calibration', 'bySize'], bySize],
    [['variants'], {}],
    [['variants', 'q8'], { encoder: 'encoder_q8.onnx', decoder: 'decoder_q8.onnx', weights: 'weights_q8.bin' }],
    [['variants', 'fp32', 'inpainter'], 'inpainter.onnx'],
    [['storageCost'], { split: 'validation', examples: 10_000, nats: { q8: { mean: 0.5, standardError: 0.01 } } }],
    [['model'], { ...manifest.model, dim: 3072, imageShape: [32, 32, 3] }],
  ])('takes %j of %j', (path, value) => {
    const json = changed(path, value)
    expect(parseManifest(json, 'flow.json')).toEqual(JSON.parse(json))
  })

  it('refuses a newer format, and says to update', () => {
    const newer = changed(['formatVersion'], manifestVersion + 1)
    const message = `^flow.json: format version ${manifestVersion + 1}, this niceflow reads up to ${manifestVersion}$`
    expect(() => parseManifest(newer, 'flow.json')).toThrow(fault(message, 'update niceflow'))
  })

  it.each(['../weights.bin', '/etc/passwd', 'folder/weights.bin', '..', '.hidden', 'C:\\weights.bin', 'weights\n.bin', ''])(
    'refuses a file outside the folder: "%s"',
    (path) => {
      const expected = 'expected a plain file name inside the bundle folder$'
      expect(() => parseManifest(changed(['variants', 'fp32', 'weights'], path), 'flow.json')).toThrow(
        fault(`^flow.json: variants.fp32.weights: ${expected}`),
      )
      expect(() => parseManifest(changed(['files', path], { bytes: 1, sha256 }), 'flow.json')).toThrow(fault('^flow.json: files'))
    },
  )

  it.each([sha256.slice(1), sha256.toUpperCase(), `${sha256}0`, '', 12])('refuses the checksum %j', (wrong) => {
    const message = '^flow.json: files.weights.bin.sha256: '
    expect(() => parseManifest(changed(['files', 'weights.bin', 'sha256'], wrong), 'flow.json')).toThrow(fault(message))
  })

  it.each<[string[], unknown]>([
    [['formatVersion'], undefined],
    [['formatVersion'], 0],
    [['name'], 7],
    [['model'], undefined],
    [['model', 'dim'], 0],
    [['model', 'dim'], 1.5],
    [['model', 'prior'], 'uniform'],
    [['model', 'dataRange'], [0]],
    [['model', 'pixels'], 'yes'],
    [['model', 'imageShape'], [28]],
    [
      ['model', 'imageShape'],
      [14, 28],
    ],
    [
      ['model', 'imageShape'],
      [14, 14, 4],
    ],
    [
      ['model', 'imageShape'],
      [28, 28, 3],
    ],
    [
      ['model', 'logScale'],
      [0, 1],
    ],
    [['model', 'logScale'], new Array(784).fill(null)],
    [['dtype'], 'fp64'],
    [['variants', 'fp16'], { encoder: 'encoder_fp16.onnx' }],
    [['variants', 'fp32', 'inpainter'], null],
    [['files', 'weights.bin', 'bytes'], -1],
    [['provenance', 'trainingExamples'], undefined],
    [['provenance', 'datasetSha256'], 'mnist'],
    [['evaluation', 'logLikelihood', 'mean'], null],
    [['calibration', 'quantiles'], [[0.5]]],
    [['calibration', 'quantiles'], [[0.5, 1990]]],
    [['calibration', 'bySize'], { ...bySize, spread: { intercept: 1 } }],
    [['calibration', 'bySize'], { ...bySize, rarity: [] }],
    [['storageCost'], { split: 'validation', examples: 10_000, nats: { int4: { mean: 0.5, standardError: 0.01 } } }],
  ])('refuses %j of %j, naming the field', (path, value) => {
    // A field within a field that is missing or not whole is named by what holds it.
    const named = path.map((_, depth) => path.slice(0, depth + 1).join('.')).join('|')
    expect(() => parseManifest(changed(path, value), 'flow.json')).toThrow(fault(`^flow.json: (${named})[^ ]*: `))
  })

  it.each(['null', '[]', '1', '"flow"'])('refuses %s for a manifest', (json) => {
    expect(() => parseManifest(json, 'flow.json')).toThrow(fault('^flow.json: manifest: '))
  })

  it('refuses what is not JSON', () => {
    expect(() => parseManifest('{"name":', 'flow.json')).toThrow(fault('^flow.json: not JSON: '))
  })
})
