import { distributions, tensor } from '@niceflow/core'
import { sweepProbabilities } from '@niceflow/runtime'
import { writeAtomic } from '@niceflow/trainer'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { dataFlags, flowFlags, integerFrom, numberFlag, numbersFlag, temperatureFlag } from '../flags.ts'
import { assertAtMost, defaultMeasure, importanceFlags, importanceOf } from '../importance.ts'
import { inputHelp, readInput } from '../inputs.ts'
import { writerOf } from '../outputs.ts'
import { table } from '../text.ts'

/** Dimensions that are swept where nobody says how many. */
const mostSwept = 10

export const traverseCommand: Command = command(
  (yargs) =>
    importanceFlags(flowFlags(dataFlags(yargs)))
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .option('input', { type: 'string', requiresArg: true, describe: `Where the sweeps start: ${inputHelp}; z = 0 if left out` })
      .option('top', {
        requiresArg: true,
        coerce: numberFlag('top', 1),
        describe: `How many dimensions to sweep, one number, the most important first; ${mostSwept} if left out`,
      })
      .option('dims', {
        ...numbersFlag('dims', 'integers from 0', integerFrom(0)),
        describe: 'Which dimensions to sweep, separated by commas; with --by, how important each is',
      })
      .conflicts('dims', 'top')
      .option('quantiles', {
        default: sweepProbabilities.join(','),
        ...numbersFlag('quantiles', 'numbers between 0 and 1', (p) => p > 0 && p < 1),
        describe: "Where each dimension is put: the prior's quantiles, by their probabilities",
      })
      .option('temperature', temperatureFlag('Multiplies these quantiles'))
      .option('seed', { default: 0, requiresArg: true, coerce: numberFlag('seed', 0), describe: 'Of the draw that dequantises pixels' })
      .option('out', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: 'A .png grid, a row a dimension, the start before it; or an .npy array [dimensions, 1 + quantiles, dim]',
      })
      .example('$0 traverse out/mnist --out sweeps.png', 'the ten most important dimensions, from z = 0')
      .example('$0 traverse out/mnist --input mnist:test:7 --top 5 --out sweeps.png', 'the same of an image')
      .example('$0 traverse out/mnist --dims 300,301 --quantiles 0.1,0.5,0.9 --out sweeps.npy', 'chosen dimensions, as an array'),
  async ({ bundle, input, top, dims, quantiles: probabilities, temperature, seed, out, by: given, dataDir, ...device }) => {
    const write = writerOf(out)
    return withFlow(bundle, device, async (flow) => {
      const { dim, manifest } = flow
      assertAtMost('top', [top ?? 0], dim, "the model's dimensions")
      assertAtMost('dims', dims ?? [], dim - 1, 'the last dimension')
      const by = dims ? given : (given ?? defaultMeasure)
      const ranking = by && (await importanceOf(bundle, flow, by))
      const dimensions = dims ?? ranking!.order.slice(0, top ?? mostSwept)
      const from = input === undefined ? undefined : await readInput(input, manifest, dataDir)
      const { x, start } = await flow.traverse({ ...(from && { from }), dimensions, probabilities, temperature, seed })
      const first = (await flow.decode(start)).data
      const columns = 1 + probabilities.length
      const grid = tensor('float32', [dimensions.length, columns, dim])
      for (let row = 0; row < dimensions.length; row++) {
        grid.data.set(first, row * columns * dim)
        const swept = (columns - 1) * dim
        grid.data.set(x.data.subarray(row * swept, (row + 1) * swept), (row * columns + 1) * dim)
      }
      await writeAtomic(out, write({ dims: grid.dims, parts: [grid.data] }, manifest.model, columns))
      const swept = dimensions.map((dimension) => ({
        dimension,
        ...(ranking && { rank: ranking.order.indexOf(dimension) + 1, importance: ranking.importance[dimension]! }),
        latent: start.data[dimension]!,
        quantile: distributions[manifest.model.prior](start.data[dimension]!),
      }))
      const heading = ['dimension', ...(ranking ? ['rank', by === 'scale' ? 'exp(-s)' : 'reach'] : []), 'latent', 'its quantile']
      const lines = swept.map(({ dimension, rank, importance, latent, quantile }) => [
        String(dimension),
        ...(ranking ? [String(rank), importance!.toFixed(4)] : []),
        latent.toFixed(3),
        quantile.toFixed(3),
      ])
      return {
        json: {
          bundle,
          input: input ?? null,
          by: by ?? null,
          probabilities,
          temperature,
          seed,
          dimensions: swept,
          out,
          dtype: flow.dtype,
          device: flow.device,
        },
        text: `${table([heading, ...lines])}\neach from ${input ?? 'z = 0'}, put to the quantiles ${probabilities.join(', ')}: ${out}`,
      }
    })
  },
)
