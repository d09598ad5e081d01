import { expect, test } from 'vitest'
import * as report from './index.ts'

test('the public surface', () => {
  expect(Object.keys(report).sort()).toEqual([
    'barChart',
    'histogram',
    'histograms',
    'htmlPage',
    'imageGrid',
    'lineChart',
    'runReport',
    'scatterChart',
    'spectrumChart',
    'tablePicture',
  ])
})
