import { expect, it } from 'vitest'
import * as formats from './index.ts'

it('exports readers and writers, and the error that they raise', () => {
  expect(Object.keys(formats).sort()).toEqual([
    'InvalidFileError',
    'codeSizes',
    'idxLayout',
    'layoutTensor',
    'losslessBits',
    'npyHeader',
    'npyLayout',
    'readIdx',
    'readNpy',
    'readPng',
    'readSafetensors',
    'toGrey',
    'writeGif',
    'writeIdx',
    'writeNpy',
    'writePng',
    'writeSafetensors',
  ])
})
