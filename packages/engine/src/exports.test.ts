import { expect, it } from 'vitest'
import * as api from './index.ts'

it('exports these names and no others', () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "onnxRuntimeEngine",
      "residentEngine",
      "tfjsEngine",
      "tfjsKernels",
    ]
  `)
})
