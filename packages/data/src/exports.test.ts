import { expect, it } from 'vitest'
import * as data from './index.ts'

it("exports the catalogue, hard sets, fetching, loading, users' files, and splits", () => {
  expect(Object.keys(data).sort()).toEqual([
    'DatasetFileError',
    'catalogue',
    'catalogueEntry',
    'dataFolder',
    'describeDataset',
    'describeDatasets',
    'download',
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
    'loadDataset',
    'loadImages',
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
