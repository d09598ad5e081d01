import { expect, it } from 'vitest'
import * as api from './index.ts'

it('exports these names and no others', () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "CycleError",
      "DuplicateNameError",
      "GraphError",
      "InvalidModelError",
      "KernelError",
      "NotDifferentiableError",
      "ShapeMismatchError",
      "UnknownValueError",
      "UnsupportedModelError",
      "bodyOf",
      "broadcastShapes",
      "buildGraph",
      "bytesOf",
      "checkGraph",
      "decodeModel",
      "differentiate",
      "encodeModel",
      "evaluate",
      "extendGraph",
      "findStored",
      "float64Kernels",
      "float64Value",
      "formatShape",
      "freeNames",
      "gradient",
      "interpret",
      "irVersion",
      "iterationKernels",
      "layoutWeights",
      "matrixFlops",
      "normalizeAxis",
      "oncePerTensor",
      "opset",
      "sliceBounds",
      "storeWeights",
      "storedTensors",
      "toTensor",
      "usesOf",
      "weightValue",
    ]
  `)
})
