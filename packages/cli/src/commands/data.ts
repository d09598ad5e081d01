import { describeDatasets, hardSets } from '@niceflow/data'
import type { Command } from '../command.ts'
import { command } from '../command.ts'
import { dataFlags } from '../flags.ts'
import { number, table } from '../text.ts'

/** The one thing that `data` does so far. */
const actions = ['list'] as const

export const dataCommand: Command = command(
  (yargs) =>
    dataFlags(yargs)
      .positional('action', { choices: actions, demandOption: true, describe: 'list: every dataset, and whether its files are here' })
      .example('$0 data list', 'what there is to train on'),
  async ({ dataDir }) => {
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
