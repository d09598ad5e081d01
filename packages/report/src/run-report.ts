import { bitsPerDim, type Evaluation, isTable, type ModelFacts } from '@niceflow/core'
import { median } from 'd3-array'
import { lineChart } from './chart.ts'
import type { LineChart, Point } from './chart-data.ts'
import { formatDuration, formatNumber } from './format.ts'
import { type Fact, type Figure, htmlPage, type Section } from './page.ts'

/** What an epoch of training gave. Log-likelihoods are means in nats per example; NaN or null is "not measured". */
export type Epoch = {
  readonly epoch: number
  readonly trainLogLikelihood: number | null
  readonly validationLogLikelihood: number | null
  readonly learningRate: number
  readonly imagesPerSecond: number
}

/** A published log-likelihood to compare with, in nats on the run's data range. */
export type PublishedResult = {
  /** As a chart names its line. */
  readonly label: string
  readonly model: string
  readonly nats: number
  /** What a reader must know to compare; empty where there is nothing. */
  readonly note: string
}

/** A training run as plain data: everything that its report shows. */
export type RunReport = {
  readonly name: string
  readonly model: ModelFacts
  readonly history: readonly Epoch[]
  readonly bestEpoch: number | null
  /** The held-out figure of the exported model; null while there is none. */
  readonly evaluation: Evaluation | null
  /** Time spent training. */
  readonly seconds: number
  /** Samples as people look at them: a grid of images, as the bytes of a PNG file; of numbers, an SVG chart. */
  readonly samples: Uint8Array | string
  readonly configuration: readonly Fact[]
  readonly references: readonly PublishedResult[]
  /** Where this run is not the one that was published, in a sentence; empty where it is. */
  readonly departures: string
  /** Where the bundle lies, as the code that uses it should say. */
  readonly bundle: string
  /** Everything else that the run left behind: what it is, and its path. */
  readonly files: readonly Fact[]
  /** Commands that make this run again. */
  readonly commands: readonly string[]
}

/** The report of a training run, as one HTML file: what it came to is on the first screen; how, and how to use it, follow. */
export function runReport(run: RunReport): string {
  const { name, samples, configuration, commands, bundle, files } = run
  const figures: Section = { kind: 'figures', figures: [...likelihoodFigures(run), effort(run)] }
  const caption = 'Samples drawn from the model'
  const sections: Section[] = [
    ...(typeof samples === 'string'
      ? [figures]
      : [{ kind: 'row', sections: [{ kind: 'image', png: samples, alt: `Samples drawn from ${name}`, caption }, figures] } as const]),
    ...comparison(run),
    trainingCurve(run),
    ...(typeof samples === 'string' ? [{ kind: 'svg', svg: samples, caption } as const] : []),
    epochTable(run),
    { heading: 'Configuration', kind: 'facts', facts: configuration },
    { heading: 'Use the model in JavaScript', kind: 'code', code: javaScript(run) },
    { heading: 'Use the model from a shell', kind: 'code', code: shell(run) },
    { heading: 'Train it again', kind: 'code', code: commands.join('\n') },
    { heading: 'Files', kind: 'facts', facts: [{ label: 'bundle', value: bundle }, ...files] },
  ]
  return htmlPage({ title: name, subtitle: 'Training report', sections })
}

/** The likelihood on held-out examples, where it was measured, else the best on validation. */
function likelihoodFigures({ model, evaluation, history, bestEpoch }: RunReport): Figure[] {
  if (evaluation === null) {
    const best = history.find(({ epoch }) => epoch === bestEpoch)?.validationLogLikelihood ?? Number.NaN
    const bits = bitsPerDim(best, model.dim, model.dataRange)
    return [
      { label: 'Validation log-likelihood', value: nats(best), unit: 'nats', detail: `not measured on test data yet; ${density(model)}` },
      ...bitsFigure(model, bits),
    ]
  }
  const { split, examples, draws, logLikelihood, bitsPerDim: bits } = evaluation
  const noise = draws === 1 ? '' : `, ${formatNumber(draws)} draws each`
  return [
    {
      label: `${split[0]?.toUpperCase()}${split.slice(1)} log-likelihood`,
      value: nats(logLikelihood.mean),
      unit: `± ${nats(logLikelihood.standardError)} nats`,
      detail: `mean and its standard error over ${formatNumber(examples)} ${examplesOf(model)}${noise}; ${density(model)}`,
    },
    ...bitsFigure(model, bits),
  ]
}

function bitsFigure(model: ModelFacts, bits: number | null): Figure[] {
  if (!model.pixels || bits === null) return []
  return [
    {
      label: 'Bits per dimension',
      value: formatNumber(bits, 3, true),
      unit: 'bits',
      detail: 'code length of an 8-bit pixel; less is better',
    },
  ]
}

function effort({ history, seconds, bestEpoch, model }: RunReport): Figure {
  const speed = median(history.map(({ imagesPerSecond }) => imagesPerSecond)) ?? Number.NaN
  const best = bestEpoch === null ? '' : `best on validation at epoch ${bestEpoch}; `
  return {
    label: 'Training',
    value: `${formatNumber(history.length)} ${history.length === 1 ? 'epoch' : 'epochs'}`,
    unit: `in ${formatDuration(seconds)}`,
    detail: `${best}${formatNumber(speed, 0)} ${examplesOf(model)}/s`,
  }
}

/** The result beside those that were published. */
function comparison({ name, model, evaluation, references, departures }: RunReport): Section[] {
  if (references.length === 0) return []
  const row = (what: string, value: number | null, note: string) => [
    what,
    nats(value),
    ...(model.pixels ? [formatNumber(value === null ? Number.NaN : bitsPerDim(value, model.dim, model.dataRange), 3, true)] : []),
    note,
  ]
  const here = evaluation
    ? `${evaluation.split}, ${formatNumber(evaluation.examples)} ${examplesOf(model)}`
    : 'not measured on test data yet'
  return [
    {
      heading: 'Beside published results',
      kind: 'table',
      caption: `Mean log-likelihood of test examples, nats, ${density(model)}.${departures === '' ? '' : ` ${departures}`}`,
      columns: [
        { label: 'model', text: true },
        { label: 'log-likelihood, nats' },
        ...(model.pixels ? [{ label: 'bits per dimension' }] : []),
        { label: 'note', text: true },
      ],
      rows: [
        row(name, evaluation?.logLikelihood.mean ?? null, here),
        ...references.map(({ model: other, nats: value, note }) => row(other, value, note)),
      ],
      marked: 0,
    },
  ]
}

function trainingCurve({ model, history, bestEpoch, references }: RunReport): Section {
  const points = (of: (row: Epoch) => number | null): Point[] => history.map((row) => [row.epoch, of(row) ?? Number.NaN])
  const validation = points((row) => row.validationLogLikelihood)
  // A best epoch that is also the last needs no mark: the line ends in it.
  const best = validation.slice(0, -1).filter(([epoch]) => epoch === bestEpoch)
  const chart: LineChart = {
    title: 'Log-likelihood by epoch',
    xLabel: 'epoch',
    yLabel: `nats, ${density(model)}`,
    series: [
      { name: 'training', points: points((row) => row.trainLogLikelihood), dashed: true },
      { name: 'validation', points: validation },
      ...(best.length > 0 ? [{ name: `best: epoch ${bestEpoch}`, points: best }] : []),
    ],
    references: references.map(({ label, nats }) => ({ label, y: nats })),
  }
  return { kind: 'svg', svg: lineChart({ ...chart, width: 944, height: 430 }), narrow: lineChart({ ...chart, width: 380, height: 380 }) }
}

function epochTable({ model, history, bestEpoch }: RunReport): Section {
  return {
    heading: 'Epochs',
    kind: 'table',
    ...(bestEpoch !== null && { caption: 'The epoch in bold was best on validation: its weights are the model.' }),
    columns: ['epoch', 'training, nats', 'validation, nats', 'learning rate', `${examplesOf(model)}/s`].map((label) => ({ label })),
    rows: history.map((row) => [
      row.epoch,
      nats(row.trainLogLikelihood),
      nats(row.validationLogLikelihood),
      row.learningRate.toExponential(2),
      formatNumber(row.imagesPerSecond, 0),
    ]),
    marked: history.findIndex(({ epoch }) => epoch === bestEpoch),
  }
}

function javaScript({ bundle, model }: RunReport): string {
  return `import { loadFlow } from '@niceflow/runtime-node'

const flow = await loadFlow('${bundle.replace(/[\\']/g, '\\$&')}')
const ${examplesOf(model)} = await flow.sample(64, { seed: 1 })
const { logLikelihood } = await flow.score(${examplesOf(model)})`
}

function shell({ bundle, model }: RunReport): string {
  const [drawn, given] = isTable(model) ? ['samples.csv', 'table.csv'] : ['samples.png', 'digit.png']
  const path = /^[\w./-]+$/.test(bundle) ? bundle : `'${bundle.replaceAll("'", `'\\''`)}'`
  return `npx niceflow sample ${path} --count 64 --seed 1 --out ${drawn}
npx niceflow score ${path} ${given}
npx niceflow verify ${path}`
}

/** Where the density lives: "density on [0, 1]⁷⁸⁴". */
function density(model: ModelFacts): string {
  if (isTable(model)) return "density in the data's own units"
  const [low, high] = model.dataRange
  const power = String(model.dim).replace(/\d/g, (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]!)
  return `density on\u00a0[${formatNumber(low)},\u00a0${formatNumber(high)}]${power}`
}

function examplesOf({ imageShape }: ModelFacts): string {
  return imageShape === null ? 'examples' : 'images'
}

function nats(value: number | null): string {
  return formatNumber(value ?? Number.NaN, 2, true)
}
