import { InvalidValueError } from '@niceflow/core'
import { loadDataset, type SplitName, splitNames } from '@niceflow/data'
import { amendBundle, scoreSelection, selectFor, summarize } from '@niceflow/trainer'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { dataFlags, flowFlags, numberFlag } from '../flags.ts'
import { cardFile, modelCard } from '../model-card.ts'
import { countProgress } from '../progress.ts'
import { nats, number, rangeOf } from '../text.ts'

export const evalCommand: Command = command(
  (yargs) =>
    flowFlags(dataFlags(yargs))
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .option('dataset', { type: 'string', demandOption: true, requiresArg: true, describe: 'A name of `niceflow data list`' })
      .option('split', {
        choices: splitNames,
        demandOption: true,
        describe: "Which examples; train and validation are those of the bundle's own run",
      })
      .option('draws', {
        default: 4,
        requiresArg: true,
        coerce: numberFlag('draws', 1),
        describe: 'Dequantisation draws averaged for each example',
      })
      .option('seed', { default: 0, requiresArg: true, coerce: numberFlag('seed', 0), describe: 'Of the draws' })
      .option('record', { type: 'boolean', describe: "Write the figure into the bundle's manifest and model card" })
      .example('$0 eval out/mnist --dataset mnist --split test', 'mean log-likelihood of the test images')
      .example('$0 eval out/mnist --dataset mnist --split test --record', 'and keep it in the bundle'),
  async ({ bundle, dataset: name, dataDir, split, draws, seed, record, ...device }) => {
    const dataset = await loadDataset(name, { dir: dataDir })
    return withFlow(bundle, device, async (flow) => {
      if (record && flow.dtype !== flow.manifest.dtype) {
        const remedy = 'record without --dtype, or export with this one first'
        throw new InvalidValueError({
          what: '--dtype to record',
          expected: `${flow.manifest.dtype}, the bundle's default`,
          got: flow.dtype,
          remedy,
          usage: true,
        })
      }
      const selection = selectFor(flow.manifest, dataset, split as SplitName)
      const scores = await scoreSelection(flow, selection, { draws, seed, onProgress: countProgress(`scoring ${split}: example`) })
      const { logLikelihood, bitsPerDim, ...evaluation } = summarize(flow, split, scores, { draws, seed })
      if (record) {
        if (scores.length < 2)
          throw new InvalidValueError({ what: `split ${split}`, expected: 'two examples or more to record', got: scores.length })
        const recorded = { evaluation: { ...evaluation, logLikelihood, bitsPerDim } }
        await amendBundle(bundle, recorded, { [cardFile]: modelCard({ ...flow.manifest, ...recorded }) })
      }
      const { dataRange: range } = flow.manifest.model
      const figure = `${nats(logLikelihood.mean)} ± ${nats(logLikelihood.standardError)} nats on ${rangeOf(range)}`
      const bits = bitsPerDim === null ? '' : `, ${bitsPerDim.toFixed(3)} bits per dimension`
      return {
        json: { logLikelihood, bitsPerDim, range, ...evaluation, dataset: name, bundle, dtype: flow.dtype, device: flow.device },
        text: `${split} log-likelihood: ${figure}${bits}; ${number(scores.length)} examples on ${flow.device}${record ? `\nrecorded in ${bundle}` : ''}`,
      }
    })
  },
)
