import { type ExampleScores, exampleScores, type Judge, judgeBy, NiceflowError } from '@niceflow/core'
import { codeSizes } from '@niceflow/formats'
import type { Flow } from '@niceflow/runtime'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { readExamples, type Stretch } from '../examples.ts'
import { flowFlags, numberFlag } from '../flags.ts'
import { warn } from '../progress.ts'
import { nats, rangeOf, table } from '../text.ts'

/** What is known of an example, and where it came from. */
type ScoredExample = { readonly index: number; readonly file: string; readonly row: number } & ExampleScores

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
      .option('false-positive-rate', {
        requiresArg: true,
        coerce: numberFlag('false-positive-rate'),
        describe: 'The share of ordinary examples that may be called outliers',
        defaultDescription: '0.05',
      })
      .example('$0 score out/mnist digit.png', 'one image')
      .example('$0 score out/mnist scans/ more.npy --draws 8 --json', 'many, as JSON')
      .example('$0 score out/mnist scans/ --false-positive-rate 0.01', 'calling fewer of them outliers'),
  async ({ bundle, files, draws, seed, falsePositiveRate, ...device }) =>
    withFlow(bundle, device, async (flow) => {
      const judge = judgeOf(flow, falsePositiveRate)
      const examples: ScoredExample[] = []
      for await (const stretch of readExamples(files, flow.manifest.model)) {
        examples.push(...(await scored(flow, judge, stretch, examples.length, { draws, seed })))
      }
      const { dataRange: range } = flow.manifest.model
      const { recommended = null, threshold = null, falsePositiveRate: rate = null } = judge ?? {}
      return {
        json: {
          bundle,
          range,
          draws,
          seed,
          dtype: flow.dtype,
          device: flow.device,
          recommended,
          falsePositiveRate: rate,
          threshold,
          examples,
        },
        text: `${scoreTable(examples)}\n${legend(flow, judge)}`,
      }
    }),
)

/** The judge that a bundle's calibration makes; none without one. */
function judgeOf({ manifest: { calibration, model, name } }: Flow, falsePositiveRate: number | undefined): Judge | null {
  if (calibration) return judgeBy(calibration, model, falsePositiveRate)
  const missing = `bundle ${name} has no calibration: no percentiles, p-values and verdicts`
  if (falsePositiveRate === undefined) warn(missing)
  else throw new NiceflowError(missing, { remedy: 'score without --false-positive-rate', usage: true })
  return null
}

/** A row an example; p-values under the names of their scores. */
function scoreTable(examples: readonly ScoredExample[]): string {
  const heading = ['file', 'index', 'nats', '±', 'bits/dim', 'percentile', 'typicality p', 'excess bits', 'excess p', 'rarity p', 'verdict']
  const p = (value: number | undefined): string => value?.toPrecision(2) ?? '-'
  const rows = examples.map(({ file, row, index, logLikelihood, standardError, bitsPerDim, percentile, scores, outlier }) => [
    row > 0 || examples[index + 1]?.file === file ? `${file}[${row}]` : file,
    String(index),
    nats(logLikelihood),
    nats(standardError),
    bitsPerDim?.toFixed(3) ?? '-',
    percentile?.toFixed(1) ?? '-',
    p(scores?.typicality?.pValue),
    scores?.excess?.score.toFixed(0) ?? '-',
    p(scores?.excess?.pValue),
    p(scores?.rarity?.pValue),
    outlier === null ? '-' : outlier ? 'outlier' : 'typical',
  ])
  return table([heading, ...rows], [10])
}

function legend({ manifest: { model } }: Flow, judge: Judge | null): string {
  const unit = `log-likelihood in nats on ${rangeOf(model.dataRange)}`
  return judge ? `${unit}; outlier: p of ${judge.recommended} is at most ${judge.falsePositiveRate}` : unit
}

/** Draws are keyed by an example's index in the whole request. */
async function scored(
  flow: Flow,
  judge: Judge | null,
  { x, origins }: Stretch,
  firstIndex: number,
  { draws, seed }: { draws: number; seed: number },
): Promise<ScoredExample[]> {
  const { model } = flow.manifest
  const options = { draws: x.dtype === 'uint8' ? draws : 1, seed, firstIndex }
  const { logLikelihood, standardError } = await flow.score(x, options).catch((error: unknown) => {
    if (!NiceflowError.is(error)) throw error
    const files = [...new Set(origins.map(({ file }) => file))]
    const whose = files.length === 1 ? files[0] : `${files[0]} … ${files.at(-1)}`
    throw new NiceflowError(`${whose}: ${error.message}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
  })
  const scores = exampleScores({ logLikelihood, standardError, compressedBits: codeSizes(x, model) }, model, judge)
  return scores.map((example, i) => ({ index: firstIndex + i, ...origins[i]!, ...example }))
}
