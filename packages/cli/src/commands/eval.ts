import { type Calibration, InvalidValueError } from '@niceflow/core'
import { type Dataset, hardSets, type SplitName, splitNames } from '@niceflow/data'
import type { Flow } from '@niceflow/runtime'
import { amendBundle, calibrateOn, scoreSelection, selectFor, summarize } from '@niceflow/trainer'
import { heldOutSplit, withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { openDataset } from '../dataset.ts'
import { datasetFlags, datasetHelp, flowFlags, numberFlag } from '../flags.ts'
import { cardFile, modelCard } from '../model-card.ts'
import { allHardSets, measureOutliers } from '../ood.ts'
import { assertPicture, outlierText, writePictures } from '../ood-report.ts'
import { countProgress } from '../progress.ts'
import { densityOf, nats, number } from '../text.ts'

export const evalCommand: Command = command(
  (yargs) =>
    flowFlags(datasetFlags(yargs))
      .positional('bundle', { type: 'string', demandOption: true, describe: 'A folder that export wrote' })
      .option('dataset', {
        type: 'string',
        demandOption: true,
        requiresArg: true,
        describe: `Whose examples: ${datasetHelp}`,
      })
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
      .option('ood', {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: `How well the scores tell other examples from these: a dataset, files as \`score\` takes them, a hard set made of these (${Object.keys(hardSets).join(', ')}), or ${allHardSets} of those`,
      })
      .option('false-positive-rate', {
        requiresArg: true,
        coerce: numberFlag('false-positive-rate'),
        describe: 'With --ood: the share of ordinary examples that may be called outliers',
        defaultDescription: '0.05',
      })
      .option('out', { type: 'string', requiresArg: true, describe: 'With --ood: a picture of how each score is distributed, .svg' })
      .option('images', { type: 'string', requiresArg: true, describe: 'With --ood: a picture of some images of each set, .png' })
      .implies({ out: 'ood', images: 'ood', 'false-positive-rate': 'ood' })
      .example('$0 eval out/mnist --dataset mnist --split test', 'mean log-likelihood of the test images')
      .example('$0 eval out/mnist --dataset mnist --split test --record', 'and keep it in the bundle')
      .example('$0 eval out/table --dataset later.csv --split test --test-fraction 1', 'of all rows of another table')
      .example('$0 eval out/mnist --dataset mnist --split test --ood all --ood others.npy --out scores.svg', 'what it tells from them'),
  async ({ bundle, dataset: name, split, draws, seed, record, ood, falsePositiveRate, out, images, ...flags }) => {
    assertPicture('out', out, '.svg')
    assertPicture('images', images, '.png')
    return withFlow(bundle, flags, async (flow) => {
      const dataset = await openDataset(name, flags, flow.manifest)
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
        const recorded = { evaluation: { ...evaluation, logLikelihood, bitsPerDim }, calibration: await calibrationOf(flow, dataset) }
        await amendBundle(bundle, recorded, { [cardFile]: modelCard({ ...flow.manifest, ...recorded }) })
      }
      const outliers =
        ood &&
        (await measureOutliers(flow, { name: split, selection, nats: scores }, ood, {
          draws,
          seed,
          falsePositiveRate,
          dataDir: flags.dataDir,
        }))
      if (outliers) await writePictures(flow, outliers, { out, images })
      const { dataRange: range } = flow.manifest.model
      const figure = `${nats(logLikelihood.mean)} ± ${nats(logLikelihood.standardError)} nats ${densityOf(flow.manifest.model)}`
      const bits = bitsPerDim === null ? '' : `, ${bitsPerDim.toFixed(3)} bits per dimension`
      const lines = [
        `${split} log-likelihood: ${figure}${bits}; ${number(scores.length)} examples on ${flow.device}`,
        ...(record ? [`recorded in ${bundle}`] : []),
        ...(outliers ? ['', outlierText(outliers)] : []),
      ]
      return {
        json: {
          logLikelihood,
          bitsPerDim,
          range,
          ...evaluation,
          dataset: name,
          bundle,
          dtype: flow.dtype,
          device: flow.device,
          ...(outliers && { ood: outliers.figures }),
        },
        text: lines.join('\n'),
      }
    })
  },
)

/** A bundle's calibration; where it is of an older version that knew less, and the data are the model's own, what it would be today. */
async function calibrationOf(flow: Flow, dataset: Dataset): Promise<Calibration | null> {
  const { manifest } = flow
  const { calibration, model } = manifest
  if ((calibration && (calibration.bySize || !model.pixels)) || dataset.sha256 !== manifest.provenance.datasetSha256) return calibration
  const split = heldOutSplit(manifest)
  const selection = selectFor(manifest, dataset, split)
  const scores = await scoreSelection(flow, selection, { onProgress: countProgress(`calibrating on ${split}: example`) })
  return calibrateOn(model, split, selection, scores)
}
