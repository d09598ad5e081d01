import { extname } from 'node:path'
import { InvalidValueError } from '@niceflow/core'
import { npyHeader, writePng } from '@niceflow/formats'
import { imageGrid } from '@niceflow/report'
import type { Flow } from '@niceflow/runtime'
import { writeAtomic } from '@niceflow/trainer'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { flowFlags, numberFlag } from '../flags.ts'
import { rateProgress } from '../progress.ts'
import { number } from '../text.ts'

type Drawing = { readonly count: number; readonly seed: number; readonly temperature: number; readonly columns: number | undefined }

/** The kinds of file that samples can go to, and what each holds. */
const writers: Readonly<Record<string, (flow: Flow, drawing: Drawing) => Promise<Uint8Array> | AsyncIterable<Uint8Array>>> = {
  '.png': async (flow, { columns, count, ...options }) => {
    const { imageShape: shape, dataRange: range } = flow.manifest.model
    if (shape === null) {
      throw new InvalidValueError({ what: 'samples as PNG', expected: 'a model of images', got: 'vectors', remedy: 'write an .npy file' })
    }
    const { data } = await flow.sample(count, options)
    return writePng(imageGrid(data, { shape, range, ...(columns === undefined ? {} : { columns }) }))
  },
  '.npy': arrayOf,
}

/** The most images of a grid: it is made in memory, and shown there. */
const gridLimit = 10_000

/** Samples that are in memory at once. */
const part = 1024

/** The bytes of an array [count, dim], drawn while they are written. */
async function* arrayOf(flow: Flow, { count, seed, temperature }: Drawing): AsyncGenerator<Uint8Array> {
  const progress = rateProgress('drawn', count)
  try {
    yield npyHeader('float32', [count, flow.dim])
    for (let firstIndex = 0; firstIndex < count; firstIndex += part) {
      const drawn = Math.min(part, count - firstIndex)
      const { data } = await flow.sample(drawn, { seed, temperature, firstIndex })
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      progress.add(drawn)
    }
  } finally {
    progress.stop()
  }
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
      .example('$0 sample out/mnist --count 100000 --temperature 0.7 --out samples.npy', 'an array, of any length'),
  async ({ bundle, count, seed, temperature, out, columns, ...device }) => {
    const write = writers[extname(out).toLowerCase()]
    if (!write) throw new InvalidValueError({ what: '--out', expected: 'a file ending in .png or .npy', got: out, usage: true })
    if (temperature < 0) throw new InvalidValueError({ what: '--temperature', expected: 'a number from 0', got: temperature, usage: true })
    if (write !== arrayOf && count > gridLimit) {
      const [expected, remedy] = [`at most ${gridLimit} in a PNG`, 'write an .npy file, which takes any number']
      throw new InvalidValueError({ what: '--count', expected, got: count, remedy, usage: true })
    }
    return withFlow(bundle, device, async (flow) => {
      await writeAtomic(out, await write(flow, { count, seed, temperature, columns }))
      return {
        json: { bundle, out, count, seed, temperature, dtype: flow.dtype, device: flow.device },
        text: `${number(count)} samples: ${out}`,
      }
    })
  },
)
