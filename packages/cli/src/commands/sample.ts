import { tensor } from '@niceflow/core'
import type { Flow } from '@niceflow/runtime'
import { writeAtomic } from '@niceflow/trainer'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { flowFlags, integerFrom, numberFlag, numbersFlag, temperatureFlag } from '../flags.ts'
import { assertCount, type ImportanceFlags, importanceFlags, importanceOf } from '../importance.ts'
import { writerOf } from '../outputs.ts'
import { number } from '../text.ts'

export const sampleCommand: Command = command(
  (yargs) =>
    importanceFlags(flowFlags(yargs))
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .option('count', { default: 64, requiresArg: true, coerce: numberFlag('count', 1), describe: 'How many' })
      .option('seed', {
        default: 0,
        requiresArg: true,
        coerce: numberFlag('seed', 0),
        describe: 'Sample i is a function of the seed and i alone',
      })
      .option('temperature', temperatureFlag('Multiplies the latent draws: below 1 nearer to the mode'))
      .option('top', {
        requiresArg: true,
        coerce: numbersFlag('top', 'integers from 0', integerFrom(0)),
        describe: 'Draw so many of the most important latents, the others staying 0; several numbers make a row of each sample',
      })
      .option('bottom', {
        requiresArg: true,
        coerce: numbersFlag('bottom', 'integers from 0', integerFrom(0)),
        describe: 'The same of the least important',
      })
      .conflicts('top', 'bottom')
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'A .png grid, or an .npy array [count, dim]' })
      .option('columns', { requiresArg: true, coerce: numberFlag('columns', 1), describe: 'Images beside one another in the grid' })
      .example('$0 sample out/mnist --count 64 --seed 1 --out samples.png', 'a grid of images')
      .example('$0 sample out/mnist --count 1000 --temperature 0.7 --out samples.npy', 'an array')
      .example('$0 sample out/mnist --count 8 --top 0,10,50,200,784 --out samples.png', 'samples as more of their latents are drawn'),
  async ({ bundle, count, seed, temperature, top, bottom, by, out, columns, ...device }) => {
    const write = writerOf(out)
    return withFlow(bundle, device, async (flow) => {
      const drawn = await drawnDimensions(bundle, flow, { top, bottom, by })
      const rows = drawn ?? [undefined]
      const samples = tensor('float32', drawn && drawn.length > 1 ? [count, rows.length, flow.dim] : [count, flow.dim])
      for (const [column, dimensions] of rows.entries()) {
        const { data } = await flow.sample(count, { seed, temperature, ...(dimensions && { dimensions }) })
        for (let i = 0; i < count; i++) {
          samples.data.set(data.subarray(i * flow.dim, (i + 1) * flow.dim), (i * rows.length + column) * flow.dim)
        }
      }
      await writeAtomic(out, write(samples, flow.manifest.model, columns ?? (rows.length > 1 ? rows.length : undefined)))
      return {
        json: {
          bundle,
          out,
          count,
          seed,
          temperature,
          ...(top && { top, by }),
          ...(bottom && { bottom, by }),
          dtype: flow.dtype,
          device: flow.device,
        },
        text: `${number(count)} samples: ${out}`,
      }
    })
  },
)

type Drawn = ImportanceFlags & { readonly top: readonly number[] | undefined; readonly bottom: readonly number[] | undefined }

/** The dimensions that are drawn, one list for each number of them; undefined where all are. */
async function drawnDimensions(
  bundle: string,
  flow: Flow,
  { top, bottom, by }: Drawn,
): Promise<readonly (readonly number[])[] | undefined> {
  const [flag, counts] = top ? (['top', top] as const) : (['bottom', bottom] as const)
  if (!counts) return undefined
  for (const count of counts) assertCount(flag, count, flow.dim)
  const { order } = await importanceOf(bundle, flow, by)
  return counts.map((count) => (top ? order.slice(0, count) : order.slice(flow.dim - count)))
}
