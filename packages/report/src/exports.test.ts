import { expect, test } from 'vitest'
import * as report from './index.ts'

test('the public surface', () => {
  expect(Object.keys(report).sort()).toEqual(['barChart', 'htmlPage', 'imageGrid', 'lineChart', 'runReport', 'spectrumChart'])
})
