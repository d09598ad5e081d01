import { join, resolve } from 'node:path'
import { isTable, type Manifest } from '@niceflow/core'
import { nice } from '@niceflow/flow'
import { type Fact, lineChart, type PublishedResult, type RunReport, runReport } from '@niceflow/report'
import { ensureFolder, type Run, readHistory, readRun, recipeOf, type TimedEpoch, writeAtomic } from '@niceflow/trainer'
import { pictureSamples, storedIn, withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { ownDataset } from '../dataset.ts'
import { deviceFlags } from '../flags.ts'
import { fitAgain, flowInWords, fromThePaper } from '../model-card.ts'
import { warn } from '../progress.ts'
import { publishedFor } from '../published.ts'
import { fieldOf, recipeFlags } from '../recipe-flags.ts'
import { densityOf, nats, number, rangeOf, shellWord, table } from '../text.ts'

export const reportCommand: Command = command(
  (yargs) =>
    deviceFlags(yargs)
      .positional('run', { type: 'string', demandOption: true, describe: 'The folder of a run' })
      .positional('bundle', { type: 'string', demandOption: true, describe: 'The bundle that was exported from it' })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'The folder of the report' })
      .example('$0 report runs/mnist out/mnist --out out', 'samples.png, curve.svg and report.html; of a table, samples.svg'),
  async ({ run, bundle, out, ...device }) => {
    const { state, parameters } = await readRun(run, warn)
    const history = await readHistory(run)
    const { manifest, samples } = await withFlow(bundle, device, async (flow) => {
      const data = isTable(flow.manifest.model) ? await ownDataset(flow.manifest, undefined) : undefined
      return { manifest: flow.manifest, samples: await pictureSamples(flow, data) }
    })
    const files = { samples: samples.file, curve: 'curve.svg', report: 'report.html' } as const
    const paths = Object.fromEntries(Object.entries(files).map(([what, file]) => [what, join(out, file)])) as Record<
      keyof typeof files,
      string
    >
    const epochs = history.length > 0 ? history : state.history.map((record) => ({ ...record, seconds: null, imagesPerSecond: null }))
    const report: RunReport = {
      name: manifest.name,
      model: manifest.model,
      history: epochs.map(({ epoch, training, validation, learningRate, imagesPerSecond }) => ({
        epoch,
        trainLogLikelihood: training,
        validationLogLikelihood: validation,
        learningRate,
        imagesPerSecond: imagesPerSecond ?? Number.NaN,
      })),
      bestEpoch: state.best.epoch,
      evaluation: manifest.evaluation,
      seconds: epochs.reduce((sum, { seconds }) => sum + (seconds ?? Number.NaN), 0),
      samples: samples.content,
      configuration: configuration(manifest, parameters),
      references: references(manifest),
      departures: fromThePaper(manifest),
      bundle,
      files: [{ label: 'checkpoints', value: run }, ...Object.entries(paths).map(([label, value]) => ({ label, value }))],
      commands: commands(manifest, { run, bundle, out }),
    }
    await ensureFolder(out)
    await writeAtomic(paths.samples, samples.content)
    await writeAtomic(paths.curve, curve(manifest, epochs))
    await writeAtomic(paths.report, runReport(report))
    const places = {
      bundle: resolve(bundle),
      run: resolve(run),
      ...Object.fromEntries(Object.entries(paths).map(([what, path]) => [what, resolve(path)])),
    }
    return { json: places, text: table(Object.entries(places), [1]) }
  },
)

/** The run's data, its model, every field of its recipe by the flag that sets it, and what preprocessing adds to every log-likelihood. */
function configuration(manifest: Manifest, parameters: Run['parameters']): Fact[] {
  const { dataset, trainingExamples, engine, versions } = manifest.provenance
  const recipe = recipeOf(manifest)
  return [
    { label: 'dataset', value: dataset },
    { label: 'training examples', value: number(trainingExamples) },
    { label: 'held out', value: number(recipe.training.validation) },
    { label: 'model', value: flowInWords(recipe.flow) },
    { label: 'engine', value: [engine, ...Object.entries(versions).map((entry) => entry.join(' '))].join(', ') },
    ...recipeFlags.map((flag) => ({ label: flag.flag, value: flag.write(fieldOf(recipe, flag)) })),
    ...nice(recipe.flow).preprocessing.flatMap(({ constantLogDet }, i) =>
      constantLogDet
        ? [{ label: `ln|det| of ${recipe.flow.preprocessing[i]!.kind}`, value: `${nats(constantLogDet(parameters))} nats` }]
        : [],
    ),
  ]
}

/** What was published of the model's data. */
function references({ provenance, model }: Manifest): readonly PublishedResult[] {
  return publishedFor(provenance.dataset, model)
}

function curve(manifest: Manifest, epochs: readonly TimedEpoch[]): string {
  const { dim, dataRange } = manifest.model
  const points = (of: (epoch: TimedEpoch) => number | null) => epochs.map((epoch) => [epoch.epoch, of(epoch) ?? Number.NaN] as const)
  return lineChart({
    title: `${manifest.name}: log-likelihood by epoch`,
    xLabel: 'epoch',
    yLabel: isTable(manifest.model) ? `nats, density ${densityOf(manifest.model)}` : `nats, density on ${rangeOf(dataRange)}^${dim}`,
    series: [
      { name: 'training', points: points(({ training }) => training), dashed: true },
      { name: 'validation', points: points(({ validation }) => validation) },
    ],
    references: references(manifest).map(({ label, nats }) => ({ label, y: nats })),
  })
}

function commands(manifest: Manifest, paths: { readonly run: string; readonly bundle: string; readonly out: string }): string[] {
  const train = fitAgain(manifest, paths.run)
  const [run, bundle, out] = [paths.run, paths.bundle, paths.out].map(shellWord)
  const { dataset } = manifest.provenance
  const draws = manifest.evaluation ? ` --draws ${manifest.evaluation.draws}` : ''
  return [
    ...(train === undefined ? [] : [train]),
    `niceflow export ${run} --out ${bundle} --dtype ${storedIn(manifest)}`,
    ...(train === undefined ? [] : [`niceflow eval ${bundle} --dataset ${shellWord(dataset)} --split test${draws} --record`]),
    `niceflow report ${run} ${bundle} --out ${out}`,
  ].map((line) => `npx ${line}`)
}
