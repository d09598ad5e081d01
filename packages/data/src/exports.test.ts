import { expect, it } from 'vitest'
import * as data from './index.ts'

it("exports the catalogue, hard sets, known densities, fetching, loading, users' files, and splits", () => {
  expect(Object.keys(data).sort()).toEqual([
    'DatasetFileError',
    'catalogue',
    'catalogueEntry',
    'dataFolder',
    'describeDataset',
    'describeDatasets',
    'download',
    'drawPoints',
    'fetchDataset',
    'fileKind',
    'filesIn',
    'findEntry',
    'hardImages',
    'hardSets',
    'inspectData',
    'isLacking',
    'isPath',
    'kindNames',
    'knownDensities',
    'loadDataset',
    'loadImages',
    'logDensitiesOf',
    'parseName',
    'readHead',
    'readWhole',
    'selectSplit',
    'splitIndices',
    'splitNames',
    'unreadable',
    'usualTestFraction',
  ])
})
