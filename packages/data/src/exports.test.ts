import { expect, it } from 'vitest'
import * as data from './index.ts'

it('exports the catalogue, hard sets, fetching, loading, and splits', () => {
  expect(Object.keys(data).sort()).toEqual([
    'DatasetFileError',
    'catalogue',
    'catalogueEntry',
    'dataFolder',
    'describeDataset',
    'describeDatasets',
    'download',
    'fetchDataset',
    'findEntry',
    'hardImages',
    'hardSets',
    'isLacking',
    'loadDataset',
    'parseName',
    'selectSplit',
    'splitIndices',
    'splitNames',
  ])
})
