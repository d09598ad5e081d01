import { InvalidValueError } from '@niceflow/core'
import { type DatasetDescription, describeDatasets, type FetchProgress, fetchDataset, hardSets, isLacking } from '@niceflow/data'
import type { Answer, Command } from '../command.ts'
import { command } from '../command.ts'
import { datasetFlags, datasetHelp } from '../flags.ts'
import { inspect } from '../inspection.ts'
import { bytesProgress, note } from '../progress.ts'
import { megabytes, number, table } from '../text.ts'

const actions = {
  list: 'every dataset, and whether its files are here',
  fetch: 'get the files of one, and go on where a fetch broke off',
  inspect: 'what is in one, and what of it will hurt training',
} as const

export const dataCommand: Command = command(
  (yargs) =>
    datasetFlags(yargs)
      .positional('action', {
        choices: Object.keys(actions) as (keyof typeof actions)[],
        demandOption: true,
        describe: Object.entries(actions)
          .map((action) => action.join(': '))
          .join('; '),
      })
      .positional('dataset', { type: 'string', describe: `What to fetch, by its name, or to inspect: ${datasetHelp}` })
      .option('out', {
        type: 'string',
        requiresArg: true,
        describe: 'With inspect: a contact sheet of images, .png, or the distributions of columns, .svg',
      })
      .example('$0 data list', 'what there is to train on')
      .example('$0 data fetch fashion-mnist', "its files, into niceflow's folder of caches (NICEFLOW_DATA names another)")
      .example('$0 data inspect table.csv --out columns.svg', 'a table before it is trained on')
      .example('$0 data inspect scans/ --grey --resize 28x28 --out sheet.png', 'a folder of images'),
  async ({ action, dataset, out, ...flags }) => {
    const { dataDir } = flags
    if (action === 'list') {
      if (dataset !== undefined)
        throw new InvalidValueError({ what: 'data list', expected: 'no dataset: it lists all', got: dataset, usage: true })
      return list(dataDir)
    }
    if (dataset === undefined) throw new InvalidValueError({ what: `data ${action}`, expected: datasetHelp, got: 'nothing', usage: true })
    return action === 'inspect' ? inspect(dataset, out, flags) : fetched(dataset, dataDir)
  },
)

async function list(dir: string | undefined): Promise<Answer> {
  const datasets = await describeDatasets({ dir })
  const entries = datasets.map(({ files, remedy, ...dataset }) => {
    return [heading(dataset), stateTable(files), ...(files.some(isLacking) ? [`  ${remedy}`] : [])].join('\n')
  })
  const hard = Object.entries(hardSets).map(([name, { description }]) => ({ name, description }))
  const made = table(
    hard.map(({ name, description }) => [`  :${name}`, description]),
    [1],
  )
  const text = `${entries.join('\n')}\nhard sets, made of a dataset's images and named DATASET:SET:\n${made}`
  return { json: { datasets, hardSets: hard }, text }
}

function heading({ name, description, figures, imageShape, licence }: Omit<DatasetDescription, 'files' | 'remedy'>): string {
  const images = `${number(figures.train)} + ${number(figures.test)} images of ${imageShape.join(' x ')}`
  return `${name}: ${description}\n  ${images}; licence: ${licence}`
}

/** Where files are, and how they stand; of a digest that is not known, what was found. */
function stateTable(files: DatasetDescription['files']): string {
  return table(
    files.map(({ name, path, state, found }) => {
      const inside = path.includes(name) ? '' : ` (${name})`
      return [`  ${path}${inside}`, state === 'checksum unknown' ? `${state}, found ${found}` : state]
    }),
    [1],
  )
}

async function fetched(name: string, dir: string | undefined): Promise<Answer> {
  const { onProgress, stop } = fetchProgress()
  const { fetched, dataset } = await fetchDataset(name, { dir, onProgress }).finally(stop)
  const lines = fetched.map(({ path, bytes, sha256, known }) => {
    const checked = known ? 'checksum right' : `checksum unknown, found ${sha256}`
    return `fetched ${path}: ${megabytes(bytes)}, ${checked}`
  })
  const text = [...(lines.length > 0 ? lines : ['nothing to fetch: all files are here']), stateTable(dataset.files)].join('\n')
  return { json: { fetched, dataset }, text }
}

/** A line when a file begins, and a bar while it comes. */
function fetchProgress(): { readonly onProgress: (progress: FetchProgress) => void; readonly stop: () => void } {
  let bar: ReturnType<typeof bytesProgress> | undefined
  let current = ''
  const stop = (): void => bar?.stop()
  const onProgress = ({ file, loaded, total }: FetchProgress): void => {
    if (file !== current) {
      stop()
      const [size, from] = [total === null ? '' : `, ${megabytes(total)}`, loaded > 0 ? `, going on from ${megabytes(loaded)}` : '']
      note(`fetching ${file}${size}${from}`)
      bar = total === null ? undefined : bytesProgress(file, total)
      current = file
    }
    bar?.update(loaded)
  }
  return { onProgress, stop }
}
