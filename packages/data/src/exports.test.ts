import { expect, it } from 'vitest'
import * as data from './index.ts'

it('exports the catalogue, hard sets, loading, splits and batches', () => {
  expect(Object.keys(data).sort()).toEqual([
    'DatasetFileError',
    'batches',
    'catalogue',
    'catalogueEntry',
    'dequantize',
    'describeDatasets',
    'findEntry',
    'hardImages',
    'hardSets',
    'loadDataset',
    'parseName',
    'selectSplit',
    'splitIndices',
    'splitNames',
  ])
})
