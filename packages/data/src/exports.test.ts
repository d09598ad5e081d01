import { expect, it } from 'vitest'
import * as data from './index.ts'

it("exports the catalogue, hard sets, loading, users' files, and splits", () => {
  expect(Object.keys(data).sort()).toEqual([
    'DatasetFileError',
    'catalogue',
    'catalogueEntry',
    'describeDatasets',
    'fileKind',
    'filesIn',
    'findEntry',
    'hardImages',
    'hardSets',
    'inspectData',
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
