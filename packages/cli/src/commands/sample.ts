import { extname } from 'node:path'
import { InvalidValueError, type ModelFacts, type Tensor } from '@niceflow/core'
import { writeNpy, writePng } from '@niceflow/formats'
import { imageGrid } from '@niceflow/report'
import { writeAtomic } from '@niceflow/trainer'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { flowFlags, numberFlag } from '../flags.ts'
import { number } from '../text.ts'

/** The kinds of file that samples can go to. */
const writers: Readonly<Record<string, (samples: Tensor<'float32'>, model: ModelFacts, columns: number | undefined) => Uint8Array>> = {
  '.png': (samples, { imageShape, dataRange }, columns) => {
    if (imageShape === null) {
      throw new InvalidValueError({ what: 'samples as PNG', expected: 'a model of images', got: 'vectors', remedy: 'write an .npy file' })
    }
    return writePng(imageGrid(samples.data, { shape: imageShape, range: dataRange, ...(columns === undefined ? {} : { columns }) }))
  },
  '.npy': (samples) => writeNpy(samples),
}

export const sampleCommand: Command = command(
  (yargs) =>
    flowFlags(yargs)
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .option('count', { default: 64, requiresArg: true, coerce: numberFlag('count', 1), describe: 'How many' })
      .option('seed', {
        default: 0,
        requiresArg: true,
        coerce: numberFlag('seed', 0),
        describe: 'Sample i is a function of the seed and i alone',
      })
      .option('temperature', {
        default: 1,
        requiresArg: true,
        coerce: numberFlag('temperature'),
        describe: 'Multiplies the latent draws: below 1 nearer to the mode',
      })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'A .png grid, or an .npy array [count, dim]' })
      .option('columns', { requiresArg: true, coerce: numberFlag('columns', 1), describe: 'Images beside one another in the grid' })
      .example('$0 sample out/mnist --count 64 --seed 1 --out samples.png', 'a grid of images')
      .example('$0 sample out/mnist --count 1000 --temperature 0.7 --out samples.npy', 'an array'),
  async ({ bundle, count, seed, temperature, out, columns, ...device }) => {
    const write = writers[extname(out).toLowerCase()]
    if (!write) throw new InvalidValueError({ what: '--out', expected: 'a file ending in .png or .npy', got: out, usage: true })
    if (temperature < 0) throw new InvalidValueError({ what: '--temperature', expected: 'a number from 0', got: temperature, usage: true })
    return withFlow(bundle, device, async (flow) => {
      const samples = await flow.sample(count, { seed, temperature })
      await writeAtomic(out, write(samples, flow.manifest.model, columns))
      return {
        json: { bundle, out, count, seed, temperature, dtype: flow.dtype, device: flow.device },
        text: `${number(count)} samples: ${out}`,
      }
    })
  },
)
