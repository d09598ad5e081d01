import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { presets, resolveRecipe } from '@niceflow/engine'
import { expect, test } from 'vitest'
import { type RecipeFile, readRecipeFile } from './config.ts'
import { temporaryFolder } from './tiny.fixture.ts'

test.each(Object.entries(presets))('preset %s is a valid recipe, and what is left out is its own', (_, preset) => {
  expect(resolveRecipe(preset, {}, 784)).toEqual(preset)
})

test('changes go into their own part, and the dimension is that of the data', () => {
  const { flow, training } = resolveRecipe(presets.paper, { flow: { couplings: 5 }, training: { batchSize: 7 } }, 12)
  expect(flow).toEqual({ ...presets.paper.flow, couplings: 5, dim: 12 })
  expect(training).toEqual({ ...presets.paper.training, batchSize: 7 })
})

test.each([
  [{ batchSize: -200 }, 'training config: batchSize: Too small: expected number to be >0, got -200'],
  [{ epochs: 0 }, 'training config: epochs: Too small: expected number to be >0, got 0'],
  [{ epochs: 1.5 }, 'training config: epochs: Invalid input: expected int, received number, got 1.5'],
  [{ learningRate: 0 }, 'training config: learningRate: Too small: expected number to be >0, got 0'],
  [{ beta2: 1 }, 'training config: beta2: Too big: expected number to be <1, got 1'],
  [{ validation: -1 }, 'training config: validation: Too small: expected number to be >=0, got -1'],
  [{ schedule: 'sawtooth' }, 'training config: schedule: Invalid option: expected one of "cosine"|"linear"|"constant", got "sawtooth"'],
])('refuses %j', (training, message) => {
  const changes = { training } as RecipeFile
  expect(() => resolveRecipe(presets.paper, changes, 784)).toThrow(expect.objectContaining({ message, usage: true }))
})

test('a recipe file is read as it stands', async () => {
  const path = join(temporaryFolder(), 'mnist.json')
  const recipe: RecipeFile = { preset: 'quick', dataset: 'mnist', flow: { couplings: 6 }, training: { saveEvery: 5 } }
  writeFileSync(path, JSON.stringify(recipe))
  expect(await readRecipeFile(path)).toEqual(recipe)
})

test.each([
  ['{', /: not JSON: /],
  [
    '{"preset":"slow"}',
    /: preset: Invalid option: expected one of "pytorch"\|"masked"\|"paper"\|"quick"\|"best"\|"affine"\|"histogram"\|"small"\|"table", got "slow"$/,
  ],
  ['{"dataset":1}', /: dataset: Invalid input: expected string, received number, got 1$/],
  ['{"model":{}}', /: value: Unrecognized key: "model"/],
  ['[]', /: value: Invalid input: expected object, received array/],
])('refuses the recipe file %s by its name', async (text, message) => {
  const path = join(temporaryFolder(), 'mnist.json')
  writeFileSync(path, text)
  await expect(readRecipeFile(path)).rejects.toMatchObject({ message: expect.stringMatching(message), usage: true })
  await expect(readRecipeFile(path)).rejects.toThrow(`config ${path}`)
})

test('a recipe file that is not there is named', async () => {
  await expect(readRecipeFile('nowhere.json')).rejects.toMatchObject({
    message: 'config nowhere.json: cannot be read: ENOENT',
    remedy: 'check the path',
    usage: true,
  })
})
