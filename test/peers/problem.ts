import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dequantize, type Tensor, tensor } from '@niceflow/core'
import { loadImages } from '@niceflow/data'
import { readSafetensors, writeSafetensors } from '@niceflow/formats'
import { presets, type Recipe, resolveRecipe, startRun } from '@niceflow/trainer'

/** The paper's MNIST model and step; every competitor has the same weights, the same ten batches and the same images to score. */

const dim = 784
export const recipe: Recipe = resolveRecipe(presets.paper, {}, dim)
export const sizes = { batch: recipe.training.batchSize, batches: 10, scoring: 1024 } as const

export type Problem = {
  readonly parameters: Readonly<Record<string, Tensor<'float32'>>>
  /** [10, 200, 784] */
  readonly x: Tensor<'float32'>
  /** [1024, 784] */
  readonly scoring: Tensor<'float32'>
}

const fileIn = (folder: string): string => join(folder, 'problem.safetensors')

/** Writes the problem as one file that JavaScript and Python read. */
export async function writeProblem(folder: string): Promise<void> {
  const { train: images, sha256, imageShape } = await loadImages('mnist')
  const taken = sizes.batch * sizes.batches + sizes.scoring
  const examples = tensor('uint8', [taken, dim], images.data.slice(0, taken * dim))
  const data = { name: 'mnist', sha256, imageShape, examples }
  const { flow, arrays } = await startRun(data, { ...recipe, training: { ...recipe.training, validation: 0 } })
  const indices = Uint32Array.from({ length: taken }, (_, i) => i)
  const pixels = dequantize(examples, indices, { seed: 0, draw: 0, range: recipe.flow.dataRange })
  const trained = sizes.batch * sizes.batches * dim
  const tensors = {
    ...Object.fromEntries(flow.parameters.map(({ name }) => [name, arrays[name]!])),
    x: tensor('float32', [sizes.batches, sizes.batch, dim], pixels.slice(0, trained)),
    scoring: tensor('float32', [sizes.scoring, dim], pixels.slice(trained)),
  }
  writeFileSync(fileIn(folder), Buffer.concat(writeSafetensors(tensors)))
}

export function readProblem(folder: string): Problem {
  const { x, scoring, ...parameters } = readSafetensors(readFileSync(fileIn(folder)), 'problem').tensors as Record<
    string,
    Tensor<'float32'>
  >
  return { parameters, x: x!, scoring: scoring! }
}
