import { quantizePixels, rows } from '@niceflow/core'
import { type Inspected, type InspectedColumn, type Inspection, inspectData } from '@niceflow/data'
import { writePng } from '@niceflow/formats'
import { imageGrid, tablePicture } from '@niceflow/report'
import { writeAtomic } from '@niceflow/trainer'
import type { Answer } from './command.ts'
import { type DatasetArguments, preparationOf, reading } from './dataset.ts'
import { assertPicture } from './ood-report.ts'
import { number, rangeOf, table } from './text.ts'

/** Images of a contact sheet. */
const pictured = 100
/** Columns that are listed for people; `--json` has them all. */
const mostListed = 50

/** Looks at data before they are trained on, and draws them where that is asked for. */
export async function inspect(name: string, out: string | undefined, flags: DatasetArguments): Promise<Answer> {
  const inspected = await inspectData(name, { dir: flags.dataDir, ...reading(), ...preparationOf(flags) })
  const { inspection } = inspected
  const images = inspection.imageShape !== null
  assertPicture('out', out, images ? '.png' : '.svg')
  if (out !== undefined) await writeAtomic(out, images ? contactSheet(inspected) : distributions(inspected))
  return {
    json: { ...inspection, out: out ?? null },
    text: `${inWords(inspection)}${out === undefined ? '' : `\n${images ? 'contact sheet' : 'histograms'}: ${out}`}`,
  }
}

function contactSheet({ examples, inspection: { imageShape: shape } }: Inspected): Uint8Array {
  const { data } = rows<'uint8' | 'float32'>(examples, 0, Math.min(pictured, examples.dims[0]!))
  return writePng(imageGrid(data instanceof Uint8Array ? data : quantizePixels(data, [0, 1]), { shape: shape! }))
}

function distributions({ examples, inspection: { name, columns } }: Inspected): string {
  const known = columns!.filter(({ facts }) => facts !== null).map((column) => column.name)
  return tablePicture({ title: name, columns: known, tables: [{ name: 'data', rows: examples }] })
}

function inWords(inspection: Inspection): string {
  const { name, examples, testExamples, dim, imageShape, type, range, columns, constant, repeated, classes, findings } = inspection
  const what = imageShape === null ? `rows of ${number(dim)} columns` : `images of ${imageShape.join(' x ')}`
  const facts = [
    ['examples', `${number(examples)}${testExamples === null ? '' : ` + ${number(testExamples)} for testing`} ${what}, ${type}`],
    ['range', range ? rangeOf(range) : '-'],
    [imageShape === null ? 'constant columns' : 'constant pixels', number(constant)],
    ['examples that repeat others', number(repeated)],
    ...(classes ? [['classes', inClasses(classes)]] : []),
  ]
  const troubles = findings.map(({ what: so, effect, remedy }) => `- ${so}: ${effect}; ${remedy}`)
  return [
    name,
    table(facts, [1]),
    ...(columns ? ['', columnTable(columns)] : []),
    '',
    ...(troubles.length > 0 ? ['what will hurt training:', ...troubles] : ['nothing was found that would hurt training']),
  ].join('\n')
}

const inClasses = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${number(count)}`)
    .join(', ')

function columnTable(columns: readonly InspectedColumn[]): string {
  const figure = (value: number): string => String(Number(value.toPrecision(4)))
  const cells = columns
    .slice(0, mostListed)
    .map(({ name, facts, missing, text, words }) => [
      name,
      ...(facts ? [facts.min, facts.quartiles[1], facts.max, facts.mean, facts.deviation].map(figure) : ['-', '-', '-', '-', '-']),
      facts ? number(facts.distinct) : '-',
      number(missing),
      words ? inClasses(words) : text > 0 ? number(text) : '',
    ])
  const listed = table([['column', 'least', 'median', 'most', 'mean', 'deviation', 'different', 'missing', 'text'], ...cells], [8])
  return columns.length > mostListed ? `${listed}\nand ${number(columns.length - mostListed)} more` : listed
}
