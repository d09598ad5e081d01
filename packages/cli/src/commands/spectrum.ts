import { extname } from 'node:path'
import { InvalidValueError } from '@niceflow/core'
import { type SplitName, splitNames } from '@niceflow/data'
import { spectrumChart } from '@niceflow/report'
import { byImportance } from '@niceflow/runtime'
import {
  type Correlations,
  componentVariances,
  effectiveDimension,
  type Independence,
  latentIndependence,
  principalVariances,
  selectFor,
  testLevel,
  writeAtomic,
} from '@niceflow/trainer'
import { withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { openDataset } from '../dataset.ts'
import { datasetFlags, datasetHelp, flowFlags, numberFlag } from '../flags.ts'
import { scalesOf } from '../importance.ts'
import { countProgress } from '../progress.ts'
import { number, table } from '../text.ts'

export const spectrumCommand: Command = command(
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
        default: 'test',
        describe: 'The examples that are encoded, and whose principal components are found',
      })
      .option('limit', { requiresArg: true, coerce: numberFlag('limit', 5), describe: 'No more examples than these, the first ones' })
      .option('seed', {
        default: 0,
        requiresArg: true,
        coerce: numberFlag('seed', 0),
        describe: 'Of the draw that dequantises each example',
      })
      .option('out', { type: 'string', requiresArg: true, describe: 'An .svg chart of both spectra' })
      .example('$0 spectrum out/mnist --dataset mnist --out spectrum.svg', 'what the scaling layer found, beside PCA')
      .example('$0 spectrum out/mnist --dataset mnist --limit 2000 --json', 'as JSON, of the first 2,000 test images'),
  async ({ bundle, dataset: name, split, limit, seed, out, ...flags }) => {
    if (out !== undefined && extname(out).toLowerCase() !== '.svg') {
      throw new InvalidValueError({ what: '--out', expected: 'a file ending in .svg', got: out, usage: true })
    }
    return withFlow(bundle, flags, async (flow) => {
      const dataset = await openDataset(name, flags, flow.manifest)
      const { model } = flow.manifest
      const { examples, indices } = selectFor(flow.manifest, dataset, split as SplitName)
      const selection = { examples, indices: indices.subarray(0, limit) }
      const scales = await scalesOf(bundle, flow)
      const independence = await latentIndependence(flow, selection, { seed, onProgress: countProgress(`encoding ${split}: example`) })
      const principal = principalVariances(selection, model, countProgress('adding up covariances: example'))
      const variances = componentVariances(scales, model.prior)
      const order = byImportance(scales)
      const spectra = { nice: order.map((d) => Math.sqrt(variances[d]!)), pca: [...principal].map(Math.sqrt) }
      const dimensions = { nice: effectiveDimension(variances), pca: effectiveDimension(principal) }
      if (out !== undefined) await writeAtomic(out, spectrumChart({ ...spectra, title: `Spectrum of ${flow.manifest.name}` }))
      return {
        json: {
          bundle,
          dataset: name,
          split,
          seed,
          scales: [...scales],
          order,
          deviations: spectra,
          effectiveDimension: dimensions,
          independence,
          out: out ?? null,
          dtype: flow.dtype,
          device: flow.device,
        },
        text: [
          table([
            ['effective dimension', 'exp(-s)', 'PCA', 'of'],
            ...(['entropy', 'participation'] as const).map((by) => [
              by === 'entropy' ? 'exp of the entropy of variances' : 'participation ratio of variances',
              dimensions.nice[by].toFixed(1),
              dimensions.pca[by].toFixed(1),
              String(flow.dim),
            ]),
          ]),
          independenceText(independence),
          `${number(independence.examples)} ${split} examples of ${name}${out === undefined ? '' : `: ${out}`}`,
        ].join('\n\n'),
      }
    })
  },
)

/** How near the latents are to independent draws of the prior, each figure beside what such draws would give. */
function independenceText({ marginals, values, magnitudes }: Independence): string {
  const correlation = (what: string, { largest, largestByChance, rms, rmsByChance }: Correlations): string[][] => [
    [`largest correlation of ${what}, of ${largest.dimensions.join(' and ')}`, largest.value.toFixed(4), `±${largestByChance.toFixed(4)}`],
    ['root mean square of all', rms.toFixed(4), rmsByChance.toFixed(4)],
  ]
  return table([
    ['latents against the prior', 'found', 'by chance'],
    ['mean distance of Kolmogorov and Smirnov', marginals.mean.toFixed(4), marginals.meanByChance.toFixed(4)],
    [`largest, of dimension ${marginals.worst.dimension}`, marginals.worst.distance.toFixed(4), '-'],
    [`share beyond ${marginals.critical.toFixed(4)}`, percent(marginals.beyond), percent(testLevel)],
    ...correlation('values', values),
    ...correlation('magnitudes', magnitudes),
  ])
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
