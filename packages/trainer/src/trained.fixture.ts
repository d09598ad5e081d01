import type { PartialRecipe } from '@niceflow/engine'
import type { Run } from './run.ts'
import { checkpoints, temporaryFolder, tinyOptions } from './tiny.fixture.ts'
import { type TrainOptions, train } from './train.ts'

/** A run in a folder, what goes on with it, and its checkpoints. It has three epochs; with a learning rate of 0.1 the best is not the last. */
export async function trained(
  changes: PartialRecipe = {},
): Promise<{ out: string; options: TrainOptions; whole: Record<string, Buffer>; run: Run }> {
  const options = { ...tinyOptions(changes), out: temporaryFolder(), resume: true }
  const run = await train(options)
  return { out: options.out, options, whole: checkpoints(options.out), run }
}
