import { InvalidValueError } from '@niceflow/core'
import { defaultMaxBatch, type Flow } from '@niceflow/runtime'
import { writeAtomic } from '@niceflow/trainer'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { flowFlags, integerFrom, numberFlag, numbersFlag, temperatureFlag } from '../flags.ts'
import { assertAtMost, defaultMeasure, importanceFlags, importanceOf, type Measure } from '../importance.ts'
import { isPicture, writerOf } from '../outputs.ts'
import { rateProgress } from '../progress.ts'
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
        ...numbersFlag('top', 'integers from 0', integerFrom(0)),
        describe: 'Draw so many of the most important latents, the others staying 0; several, as 0,10,784, make a row of each sample',
      })
      .option('bottom', {
        ...numbersFlag('bottom', 'integers from 0', integerFrom(0)),
        describe: 'The same of the least important',
      })
      .conflicts('top', 'bottom')
      .option('out', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'A .png grid, a .csv table, or an .npy array: [count, dim], or [count, numbers, dim] of several --top or --bottom',
      })
      .option('columns', { requiresArg: true, coerce: numberFlag('columns', 1), describe: 'Images beside one another in the grid' })
      .example('$0 sample out/mnist --count 64 --seed 1 --out samples.png', 'a grid of images')
      .example('$0 sample out/mnist --count 100000 --temperature 0.7 --out samples.npy', 'an array, of any length')
      .example('$0 sample out/table --count 1000 --out samples.csv', 'a table, in the units of the data')
      .example('$0 sample out/mnist --count 8 --top 0,10,50,200,784 --out samples.png', 'samples as more of their latents are drawn'),
  async ({ bundle, count, seed, temperature, top, bottom, by: given, out, columns, ...device }) => {
    const write = writerOf(out, count, (top ?? bottom)?.length)
    if (given && !top && !bottom) throw idle('--by', '--top or --bottom, whose order it is', 'neither')
    if (columns !== undefined && !isPicture(out)) throw idle('--columns', 'a .png grid, which alone has them', out)
    const by = given ?? defaultMeasure
    return withFlow(bundle, device, async (flow) => {
      const drawn = (await drawnDimensions(bundle, flow, { top, bottom, by })) ?? [undefined]
      const beside = drawn.length > 1 ? [drawn.length] : []
      const examples = { dims: [count, ...beside, flow.dim], parts: samplesInParts(flow, { count, seed, temperature, drawn }) }
      await writeAtomic(out, write(examples, flow.manifest.model, columns ?? beside[0]))
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

/** A flag that would do nothing. */
const idle = (what: string, expected: string, got: string): InvalidValueError => new InvalidValueError({ what, expected, got, usage: true })

type Drawing = {
  readonly count: number
  readonly seed: number
  readonly temperature: number
  /** Which dimensions are drawn, all where undefined; a sample is there once for each entry. */
  readonly drawn: readonly (readonly number[] | undefined)[]
}

/** Samples [n, drawn.length, dim], a batch of them at a time. */
async function* samplesInParts(flow: Flow, { count, seed, temperature, drawn }: Drawing): AsyncGenerator<Float32Array> {
  const progress = rateProgress('drawn', count)
  try {
    for (let firstIndex = 0; firstIndex < count; firstIndex += defaultMaxBatch) {
      const n = Math.min(defaultMaxBatch, count - firstIndex)
      const samples = new Float32Array(n * drawn.length * flow.dim)
      for (const [column, dimensions] of drawn.entries()) {
        const { data } = await flow.sample(n, { seed, temperature, firstIndex, ...(dimensions && { dimensions }) })
        for (let i = 0; i < n; i++) {
          samples.set(data.subarray(i * flow.dim, (i + 1) * flow.dim), (i * drawn.length + column) * flow.dim)
        }
      }
      yield samples
      progress.add(n)
    }
  } finally {
    progress.stop()
  }
}

type Drawn = { readonly top: readonly number[] | undefined; readonly bottom: readonly number[] | undefined; readonly by: Measure }

/** The dimensions that are drawn, one list for each number of them; undefined where all are. */
async function drawnDimensions(
  bundle: string,
  flow: Flow,
  { top, bottom, by }: Drawn,
): Promise<readonly (readonly number[])[] | undefined> {
  const [flag, counts] = top ? (['top', top] as const) : (['bottom', bottom] as const)
  if (!counts) return undefined
  assertAtMost(flag, counts, flow.dim, "the model's dimensions")
  const { order } = await importanceOf(bundle, flow, by)
  return counts.map((count) => (top ? order.slice(0, count) : order.slice(flow.dim - count)))
}
