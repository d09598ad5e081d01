import { expect, test } from 'vitest'
import { spectrumChart } from './spectrum-chart.ts'

test('draws both spectra as powers of ten, by rank', () => {
  const chart = spectrumChart({ title: 'Spectrum of digits', nice: [10, 1, 0.01], pca: [1, 0.1] })
  expect(chart).toContain('<title>Spectrum of digits</title>')
  expect(chart).toContain('NICE: exp(−s): 3 values, the last −2 at 3.')
  expect(chart).toContain('PCA: 2 values, the last −1 at 2.')
})

test('a component without variance is left out: it has no logarithm', () => {
  expect(spectrumChart({ title: 'a', nice: [1, 0.1], pca: [1, 0] })).toContain('PCA: 1 value, the last 0 at 1.')
})
