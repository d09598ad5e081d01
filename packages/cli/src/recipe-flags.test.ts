import { defaultPreset, presetFor, presets, type Recipe, resolveRecipe } from '@niceflow/trainer'
import { expect, test } from 'vitest'
import { fieldOf, presetDefaults, recipeChanges, recipeFlags, trainCommandLine } from './recipe-flags.ts'

/** What a command line's flags make of its preset. */
function recipeOf(line: string): Recipe {
  const given = new Map(line.split(' ').flatMap((word) => (word.startsWith('--') ? [word.slice(2).split('=') as [string, string]] : [])))
  const args = Object.fromEntries(recipeFlags.flatMap(({ flag, read }) => (given.has(flag) ? [[flag, read(flag)(given.get(flag))]] : [])))
  return resolveRecipe(presets[given.get('preset') as keyof typeof presets], recipeChanges(args), 784)
}

test('every field of a recipe but the dimension has one flag', () => {
  const { dim: _, ...flow } = presets.paper.flow
  const fields = [
    ...Object.keys(flow).map((field) => `flow.${field}`),
    ...Object.keys(presets.paper.training).map((field) => `training.${field}`),
  ]
  expect(recipeFlags.map(({ part, field }) => `${part}.${field}`).sort()).toEqual(fields.sort())
})

test('the flags that scripts depend on are there', () => {
  const stable = 'batch-size latent max-iter lr momentum decay coupling coup-type mid-dim hidden save-every seed'.split(' ')
  expect(recipeFlags.map(({ flag }) => flag)).toEqual(expect.arrayContaining(stable))
})

test.each([
  ['batch-size', 'batchSize', 200],
  ['latent', 'prior', 'logistic'],
  ['max-iter', 'epochs', 50],
  ['lr', 'learningRate', 1e-3],
  ['momentum', 'beta1', 0.9],
  ['decay', 'beta2', 0.999],
  ['coupling', 'couplings', 4],
  ['coup-type', 'law', 'additive'],
  ['mid-dim', 'hiddenDim', 1000],
  ['hidden', 'hiddenLayers', 5],
  ['save-every', 'saveEvery', 5],
  ['epsilon', 'epsilon', 1e-4],
  ['weight-decay', 'weightDecay', 0],
  ['dequantize', 'dequantization', 'independent'],
])('--%s sets %s, which the PyTorch port has at %j', (name, field, value) => {
  const flag = recipeFlags.find(({ flag }) => flag === name)!
  expect(flag.field).toBe(field)
  expect(fieldOf(presets[defaultPreset], flag)).toBe(value)
})

test.each([
  ['batch-size', 256],
  ['max-iter', 75],
  ['lr', 1e-3],
  ['momentum', 0.9],
  ['decay', 0.999],
  ['epsilon', 1e-8],
  ['schedule', 'constant'],
  ['validation', 0],
  ['save-every', 5],
  ['scale-init', 'normal'],
  ['coupling-init', 'masked'],
  ['dequantize', 'shared'],
  ['activation', 'leaky-relu'],
  ['leak', 0.2],
  ['start', 'second'],
  ['coupling', 4],
  ['hidden', 5],
  ['mid-dim', 1000],
  ['latent', 'logistic'],
])('PyTorch’s masked form has --%s at %j', (name, value) => {
  expect(fieldOf(presets.masked, recipeFlags.find(({ flag }) => flag === name)!)).toBe(value)
})

test('read undoes write, for every field of every preset', () => {
  for (const preset of Object.values(presets)) {
    for (const flag of recipeFlags) expect(flag.read(flag.flag)(flag.write(fieldOf(preset, flag)))).toEqual(fieldOf(preset, flag))
  }
})

test.each<[string, Recipe]>([
  ['a preset', presets.quick],
  ['a longer run of one', { ...presets.quick, training: { ...presets.quick.training, epochs: 90, seed: 7 } }],
  [
    'another model',
    {
      training: { ...presets.paper.training, weightDecay: 0.5, finalLearningRate: 1e-6 },
      flow: {
        ...presets.paper.flow,
        law: 'affine',
        prior: 'gaussian',
        activation: 'leaky-relu',
        partition: [0, 5, 9],
        dataRange: [0.25, 0.75],
        preprocessing: [{ kind: 'logit', alpha: 1e-6 }, { kind: 'standardize' }],
      },
    },
  ],
  ["the paper's CIFAR-10 model", { ...presetFor('paper', 'cifar10'), flow: { ...presetFor('paper', 'cifar10').flow, dim: 784 } }],
  ["the paper's TFD model", { ...presetFor('paper', 'tfd'), flow: { ...presetFor('paper', 'tfd').flow, dim: 784 } }],
])('the command line of %s makes the recipe again', (_, recipe) => {
  expect(recipeOf(trainCommandLine(recipe, ['--dataset=mnist']))).toEqual(recipe)
})

test('a command line begins at the nearest preset', () => {
  const recipe = { ...presets.quick, training: { ...presets.quick.training, seed: 3, batchSize: 100 } }
  expect(trainCommandLine(recipe, ['--dataset=mnist'])).toBe('niceflow train --dataset=mnist --seed=3 --preset=quick --batch-size=100')
})

test("a flag's default is the PyTorch port's, with the presets that have another", () => {
  const by = (name: string): string => presetDefaults(recipeFlags.find(({ flag }) => flag === name)!)
  expect(by('activation')).toBe('relu; masked: leaky-relu')
  expect(by('dequantize')).toBe('independent; masked: shared')
  expect(by('schedule')).toBe('constant; quick: cosine, best: cosine, affine: cosine, histogram: cosine, small: cosine, table: cosine')
})

test.each([
  ['batch-size', 'many', '--batch-size: expected a number, got many'],
  ['lr', '', '--lr: expected a number, got '],
  ['latent', 'cauchy', '--latent: expected logistic, gaussian, normal, got cauchy'],
  ['latent', 'toString', '--latent: expected logistic, gaussian, normal, got toString'],
  ['partition', 'odd', '--partition: expected a number, got odd'],
  [
    'preprocessing',
    'whiten:pca',
    '--preprocessing: expected none, or some of equalize:BINS, logit:ALPHA, standardize, whiten:zca:EPSILON, got whiten:pca',
  ],
  ['preprocessing', 'whiten:zca:few', '--preprocessing: expected a number, got few'],
])('--%s %s is refused', (name, text, message) => {
  const { read } = recipeFlags.find(({ flag }) => flag === name)!
  expect(() => read(name)(text)).toThrow(expect.objectContaining({ message, usage: true }))
})

test('normal is another word for gaussian, as scripts of the PyTorch form spell it', () => {
  const { read } = recipeFlags.find(({ flag }) => flag === 'latent')!
  expect(['normal', 'gaussian', 'logistic'].map(read('latent'))).toEqual(['gaussian', 'gaussian', 'logistic'])
})

test('whitening is exact where no epsilon is given', () => {
  const { read } = recipeFlags.find(({ flag }) => flag === 'preprocessing')!
  const exact = { kind: 'whiten', method: 'zca', epsilon: 0 }
  expect(['whiten', 'whiten:zca', 'whiten:zca:0', 'standardize,whiten:zca:1e-3'].map(read('preprocessing'))).toEqual([
    [exact],
    [exact],
    [exact],
    [{ kind: 'standardize' }, { ...exact, epsilon: 1e-3 }],
  ])
})
