import { expect, test } from 'vitest'
import { tinyManifest } from './fake.fixture.ts'
import { selectVariant } from './index.ts'

test('a variant’s files are listed once each, with their sizes and digests', () => {
  const shared = { encoder: 'flow.onnx', decoder: 'flow.onnx', weights: 'weights.bin' }
  const files = { 'flow.onnx': { bytes: 5, sha256: 'a'.repeat(64) }, 'weights.bin': { bytes: 6, sha256: 'b'.repeat(64) } }
  const { dtype, files: needed } = selectVariant({ ...tinyManifest, variants: { fp32: shared }, files })
  expect(dtype).toBe('fp32')
  expect(needed).toEqual([
    { name: 'flow.onnx', bytes: 5, sha256: 'a'.repeat(64) },
    { name: 'weights.bin', bytes: 6, sha256: 'b'.repeat(64) },
  ])
})

test('a storage type that the bundle does not have is refused with those that it has', () => {
  expect(() => selectVariant(tinyManifest, 'q8')).toThrow('dtype of tiny: expected fp32, got q8')
  expect(() => selectVariant(tinyManifest, 'constructor' as 'q8', 'models/tiny/flow.json')).toThrow(
    'dtype of models/tiny/flow.json: expected fp32, got constructor',
  )
})

test('a variant’s file without a digest is refused', () => {
  const { 'weights.bin': _, ...files } = tinyManifest.files
  expect(() => selectVariant({ ...tinyManifest, files })).toThrow('tiny: files: weights.bin is part of variant fp32 and is not listed')
})
