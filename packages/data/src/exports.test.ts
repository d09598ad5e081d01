import { expect, it } from 'vitest'
import * as data from './index.ts'

it('exports the catalogue, loading, splits and batches', () => {
  expect(Object.keys(data).sort()).toEqual([
    'DatasetFileError',
    'batches',
    'catalogue',
    'catalogueEntry',
    'dequantize',
    'describeDatasets',
    'loadDataset',
    'selectSplit',
    'splitIndices',
    'splitNames',
  ])
})
