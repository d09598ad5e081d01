import { NiceflowError } from '@niceflow/core'
import type { Flow, Score } from '@niceflow/runtime'
import { shareBelow } from '@niceflow/trainer'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { readExamples, type Stretch } from '../examples.ts'
import { flowFlags, numberFlag } from '../flags.ts'
import { nats, rangeOf, table } from '../text.ts'

/** What is known of an example. */
type ScoredExample = {
  readonly index: number
  readonly file: string
  readonly row: number
  /** Nats on the model's data range. */
  readonly logLikelihood: number
  /** Null where the model's data are not pixels. */
  readonly bitsPerDim: number | null
  /** The share of held-out examples that score less, in percent; null for a bundle without calibration. */
  readonly percentile: number | null
}

export const scoreCommand: Command = command(
  (yargs) =>
    flowFlags(yargs)
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .positional('files', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'PNG images; NPY or IDX arrays of pixels (uint8), or of floats on the data range; folders of these',
      })
      .option('draws', {
        default: 1,
        requiresArg: true,
        coerce: numberFlag('draws', 1),
        describe: 'Dequantisation draws averaged for each example of pixels',
      })
      .option('seed', { default: 0, requiresArg: true, coerce: numberFlag('seed', 0), describe: 'Of the draws' })
      .example('$0 score out/mnist digit.png', 'one image')
      .example('$0 score out/mnist scans/ more.npy --draws 8 --json', 'many, as JSON'),
  async ({ bundle, files, draws, seed, ...device }) =>
    withFlow(bundle, device, async (flow) => {
      const examples: ScoredExample[] = []
      for await (const stretch of readExamples(files, flow.manifest.model)) {
        examples.push(...(await scored(flow, stretch, examples.length, { draws, seed })))
      }
      const { dataRange: range } = flow.manifest.model
      const heading = ['file', 'index', 'nats', 'bits/dim', 'percentile']
      const rows = examples.map(({ file, row, index, logLikelihood, bitsPerDim, percentile }) => [
        row > 0 || examples[index + 1]?.file === file ? `${file}[${row}]` : file,
        String(index),
        nats(logLikelihood),
        bitsPerDim?.toFixed(3) ?? '-',
        percentile?.toFixed(1) ?? '-',
      ])
      return {
        json: { bundle, range, draws, seed, dtype: flow.dtype, device: flow.device, examples },
        text: `${table([heading, ...rows])}\nlog-likelihood in nats on ${rangeOf(range)}`,
      }
    }),
)

/** Draws are keyed by an example's index in the whole request. */
async function scored(
  flow: Flow,
  { x, origins }: Stretch,
  firstIndex: number,
  { draws, seed }: { draws: number; seed: number },
): Promise<ScoredExample[]> {
  const { calibration, model } = flow.manifest
  const options = { draws: x.dtype === 'uint8' ? draws : 1, seed, firstIndex }
  const { logLikelihood, bitsPerDim }: Score = await flow.score(x, options).catch((error: unknown) => {
    if (!NiceflowError.is(error)) throw error
    const files = [...new Set(origins.map(({ file }) => file))]
    const whose = files.length === 1 ? files[0] : `${files[0]} … ${files.at(-1)}`
    throw new NiceflowError(`${whose}: ${error.message}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  })
  return origins.map(({ file, row }, i) => ({
    index: firstIndex + i,
    file,
    row,
    logLikelihood: logLikelihood[i]!,
    bitsPerDim: model.pixels ? bitsPerDim[i]! : null,
    percentile: calibration && 100 * shareBelow(calibration, logLikelihood[i]!),
  }))
}
