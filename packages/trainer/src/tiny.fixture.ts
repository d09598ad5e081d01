import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fillUniform, streamKey, type Tensor, tensor } from '@niceflow/core'
import type { PartialRecipe, TrainingData } from '@niceflow/engine'
import { onTestFinished } from 'vitest'
import { writeAtomic } from './files.ts'
import type { TrainOptions } from './train.ts'

/** A folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'niceflow-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** Rows whose columns depend on one another: each is half the one before it, and half noise. */
export function toyRows(count: number, dim: number, seed = 1): Tensor<'float32'> {
  const rows = tensor('float32', [count, dim])
  for (let i = 0; i < count; i++) {
    fillUniform(streamKey(seed, 'probe', i), rows.data, i * dim, (i + 1) * dim)
    for (let d = i * dim + 1; d < (i + 1) * dim; d++) rows.data[d] = (rows.data[d]! + rows.data[d - 1]!) / 2
  }
  return rows
}

/** The same as pixels of 2 x 2 images. */
export function toyImages(count: number): TrainingData {
  const { data } = toyRows(count, 4)
  const examples = tensor(
    'uint8',
    [count, 4],
    Uint8Array.from(data, (value) => Math.floor(256 * value)),
  )
  return { name: 'toy', sha256: 'a'.repeat(64), examples, imageShape: [2, 2] }
}

/** A model and a schedule that fit in a moment; the smallest of everything that still learns. */
export const tinyRecipe = {
  flow: { couplings: 3, hiddenLayers: 1, hiddenDim: 8 },
  training: { epochs: 3, batchSize: 25, validation: 50, stepsPerRun: 3, learningRate: 1e-2 },
} as const satisfies PartialRecipe

/** Options that train on 300 rows in well under a second; one thread, so that every machine does the same sums. */
export function tinyOptions(changes: PartialRecipe = {}): TrainOptions {
  const config = { flow: { ...tinyRecipe.flow, ...changes.flow }, training: { ...tinyRecipe.training, ...changes.training } }
  return { data: toyRows(300, 4), preset: 'paper', config, device: 'cpu', threads: 1 }
}

/** The same with a snapshot and its picture after each epoch, the newest kept: a run that does to files all that runs do. */
export function snapshotOptions(): TrainOptions {
  const onSnapshot = (_: unknown, picture: string): Promise<void> => writeAtomic(picture, 'picture')
  return { ...tinyOptions({ training: { saveEvery: 1 } }), snapshots: { keep: 1, onSnapshot } }
}

/** Every file of a folder, by name. */
export function contentsOf(folder: string): Record<string, Buffer> {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(files.map(({ name }) => [name, readFileSync(join(folder, name))]))
}

/** What a run must have in common with the run that it repeats: everything but clock time. */
export function checkpoints(folder: string): Record<string, Buffer> {
  return Object.fromEntries(Object.entries(contentsOf(folder)).filter(([file]) => file.endsWith('.safetensors')))
}

/** Changes that make the tiny model one of conditional histograms of equalised values. */
export const histograms = {
  flow: {
    law: 'histogram',
    bins: 4,
    partition: 'dyadic',
    preprocessing: [
      { kind: 'equalize', bins: 4 },
      { kind: 'logit', alpha: 1e-6 },
    ],
  },
} as const satisfies PartialRecipe
