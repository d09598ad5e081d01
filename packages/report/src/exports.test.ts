import { expect, test } from 'vitest'
import * as report from './index.ts'

test('the public surface', () => {
  expect(Object.keys(report).sort()).toEqual(['barChart', 'histogram', 'htmlPage', 'imageGrid', 'lineChart', 'runReport', 'stacked'])
})
