import { InvalidValueError } from '@niceflow/core'
import { describeDatasets, hardSets } from '@niceflow/data'
import type { Command } from '../command.ts'
import { command } from '../command.ts'
import { datasetFlags, datasetHelp } from '../flags.ts'
import { inspect } from '../inspection.ts'
import { number, table } from '../text.ts'

const actions = ['list', 'inspect'] as const

export const dataCommand: Command = command(
  (yargs) =>
    datasetFlags(yargs)
      .positional('action', {
        choices: actions,
        demandOption: true,
        describe: 'list: every dataset, and whether its files are here; inspect: what is in one, and what of it will hurt training',
      })
      .positional('dataset', { type: 'string', describe: `What to inspect: ${datasetHelp}` })
      .option('out', {
        type: 'string',
        requiresArg: true,
        describe: 'With inspect: a contact sheet of images, .png, or the distributions of columns, .svg',
      })
      .example('$0 data list', 'what there is to train on')
      .example('$0 data inspect table.csv --out columns.svg', 'a table before it is trained on')
      .example('$0 data inspect scans/ --grey --resize 28x28 --out sheet.png', 'a folder of images'),
  async ({ action, dataset, out, ...flags }) => {
    if (action === 'inspect') {
      if (dataset === undefined) throw new InvalidValueError({ what: 'data inspect', expected: datasetHelp, got: 'nothing', usage: true })
      return inspect(dataset, out, flags)
    }
    if (dataset !== undefined)
      throw new InvalidValueError({ what: 'data list', expected: 'no dataset: it lists all', got: dataset, usage: true })
    const { dataDir } = flags
    const datasets = await describeDatasets({ dir: dataDir })
    const files = datasets.flatMap((dataset) => dataset.files.map(({ path, state }) => [`  ${path}`, state]))
    const entries = datasets.map(({ name, description, figures, imageShape, licence }) => {
      return `${name}: ${description}\n  ${number(figures.train)} + ${number(figures.test)} images of ${imageShape.join(' x ')}, ${licence}`
    })
    const hard = Object.entries(hardSets).map(([name, { description }]) => ({ name, description }))
    const made = table(
      hard.map(({ name, description }) => [`  :${name}`, description]),
      [1],
    )
    const text = `${entries.join('\n')}\n${table(files)}\nhard sets, made of a dataset's images and named DATASET:SET:\n${made}`
    return { json: { datasets, hardSets: hard }, text }
  },
)
