import { expect, it } from 'vitest'
import * as formats from './index.ts'

it('exports readers and writers, and the error that they raise', () => {
  expect(Object.keys(formats).sort()).toEqual([
    'InvalidFileError',
    'codeSizes',
    'examplesOf',
    'greyOf',
    'idxLayout',
    'imageRow',
    'imageSize',
    'layoutTensor',
    'losslessBits',
    'npyHeader',
    'npyLayout',
    'readCsv',
    'readIdx',
    'readImage',
    'readJpeg',
    'readNpy',
    'readPng',
    'readSafetensors',
    'resizeImage',
    'rowsOf',
    'toGrey',
    'writeGif',
    'writeIdx',
    'writeNpy',
    'writePng',
    'writeSafetensors',
  ])
})
