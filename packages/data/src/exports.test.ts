import { expect, it } from 'vitest'
import * as data from './index.ts'

it('exports the catalogue, hard sets, known densities, loading, and splits', () => {
  expect(Object.keys(data).sort()).toEqual([
    'DatasetFileError',
    'catalogue',
    'catalogueEntry',
    'describeDatasets',
    'drawPoints',
    'findEntry',
    'hardImages',
    'hardSets',
    'knownDensities',
    'loadDataset',
    'logDensitiesOf',
    'parseName',
    'selectSplit',
    'splitIndices',
    'splitNames',
  ])
})
