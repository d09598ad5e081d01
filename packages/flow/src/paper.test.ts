import { expect, test } from 'vitest'
import { parseFlowConfig } from './config.ts'
import { nice } from './nice.ts'
import { paperFlow, paperFlows } from './paper.ts'
import { parameterCount } from './parameters.ts'

/** Four networks of half the dimensions, and s: 4 ((D/2 + 1) H + 3 (H + 1) H + (H + 1) D/2) + D. */
test.each([
  ['mnist', 19_158_352],
  ['tfd', 346_166_912],
  ['svhn', 72_617_216],
  ['cifar10', 72_617_216],
] as const)("of the paper's %s model %i parameters are fitted: whitening is not", (dataset, count) => {
  const { dim, hiddenDim: width, hiddenLayers } = paperFlows[dataset]
  const half = dim / 2
  expect(4 * ((half + 1) * width + (hiddenLayers - 1) * (width + 1) * width + (width + 1) * half) + dim).toBe(count)
  expect(parameterCount(nice(parseFlowConfig(paperFlows[dataset])).parameters)).toBe(count)
})

test('data that the paper has not have its MNIST model', () => {
  expect(paperFlow('fashion-mnist')).toBe(paperFlows.mnist)
  expect(paperFlow('toString')).toBe(paperFlows.mnist)
})
