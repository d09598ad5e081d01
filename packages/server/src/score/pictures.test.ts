import type { ModelFacts } from '@niceflow/core'
import { readPng } from '@niceflow/formats'
import { expect, test } from 'vitest'
import { sheet } from './pictures.ts'

const model: ModelFacts = { dim: 2, prior: 'logistic', dataRange: [0, 1], pixels: true, imageShape: [1, 2] }
const levels = (count: number): Float32Array => Float32Array.from({ length: count }, (_, level) => (level + 0.5) / 256)

test('images stand edge to edge, in grey or in colour as they are', () => {
  expect(readPng(sheet(levels(6), model), 'x')).toEqual({ width: 4, height: 2, channels: 1, data: Uint8Array.of(0, 1, 2, 3, 4, 5, 0, 0) })
  const colour = readPng(sheet(levels(12), { ...model, dim: 6, imageShape: [1, 2, 3] }), 'x')
  expect(colour).toEqual({ width: 4, height: 1, channels: 3, data: Uint8Array.from({ length: 12 }, (_, level) => level) })
})

test('data that are no images have no picture', () => {
  expect(() => sheet(levels(2), { ...model, imageShape: null })).toThrow('the model is not one of images: ask for JSON')
})
