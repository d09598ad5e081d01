import { expect, it } from 'vitest'
import * as formats from './index.ts'

it('exports readers and writers, and the error that they raise', () => {
  expect(Object.keys(formats).sort()).toEqual([
    'InvalidFileError',
    'codeSizes',
    'examplesOf',
    'idxLayout',
    'imageRow',
    'imageSize',
    'inChannels',
    'layoutTensor',
    'losslessBits',
    'npyHeader',
    'npyLayout',
    'readCifar',
    'readCsv',
    'readIdx',
    'readImage',
    'readJpeg',
    'readMat',
    'readNpy',
    'readPng',
    'readSafetensors',
    'resizeImage',
    'rowsOf',
    'toChannels',
    'toGrey',
    'toRgb',
    'transpose',
    'writeGif',
    'writeIdx',
    'writeMat',
    'writeNpy',
    'writePng',
    'writeSafetensors',
  ])
})
