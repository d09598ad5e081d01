import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { InvalidValueError, isTable, rows } from '@niceflow/core'
import type { Dataset } from '@niceflow/data'
import { flowWarnings } from '@niceflow/flow'
import type { Rows } from '@niceflow/formats'
import type { Flow } from '@niceflow/runtime'
import {
  dataFacts,
  defaultPreset,
  engineNames,
  exportBundle,
  type PresetName,
  presetFor,
  presets,
  type RecipeFile,
  type Run,
  readHistory,
  readRecipeFile,
  resolveRecipe,
  runSamples,
  runTable,
  StoppedError,
  scratchBundle,
  suitedTo,
  type TrainingData,
  type TrainProgress,
  tablePreset,
  temporaryName,
  train,
  writeAtomic,
} from '@niceflow/trainer'
import { drawSamples, pictureSamples, withFlow } from '../bundle.ts'
import { type Command, command } from '../command.ts'
import { openDataset } from '../dataset.ts'
import { datasetFlags, datasetHelp, deviceFlags, deviceOptions, numberFlag, warnOfIdleFlag } from '../flags.ts'
import { interruptible } from '../interruption.ts'
import { note, trainProgress, warn } from '../progress.ts'
import { namingFlags, presetDefaults, recipeChanges } from '../recipe-flags.ts'
import { recipeOptions } from '../recipe-options.ts'
import { densityOf, duration, nats, number, shellWord } from '../text.ts'

const groups = { training: 'Training (left out: as the preset has it):', flow: 'Model (left out: as the preset has it):' } as const

/** What the PyTorch port fits when it is not told. */
const defaultDataset = 'mnist'

/** What trained, where anything did. */
type Used = { readonly engine: string; readonly device: string }

export const trainCommand: Command = command(
  (yargs) =>
    recipeOptions(deviceFlags(datasetFlags(yargs)), { ...groups, whenLeftOut: presetDefaults })
      .option('dataset', {
        type: 'string',
        requiresArg: true,
        describe: `What to fit: ${datasetHelp}`,
        defaultDescription: defaultDataset,
      })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'The folder of the run: its checkpoints' })
      .option('preset', {
        choices: Object.keys(presets) as PresetName[],
        describe: 'The recipe to begin with',
        defaultDescription: `${defaultPreset}; ${tablePreset} for a table of numbers`,
      })
      .option('config', {
        type: 'string',
        requiresArg: true,
        describe: 'A JSON file {"preset", "dataset", "flow": {…}, "training": {…}}; flags override it',
      })
      .option('engine', {
        choices: ['auto', ...engineNames] as const,
        default: 'auto' as const,
        describe: 'What trains; auto is onnxruntime, or tfjs where that alone runs on a CUDA GPU',
      })
      .option('resume', { type: 'boolean', describe: 'Go on from the last checkpoint of --out, if there is one' })
      .option('overwrite', { type: 'boolean', describe: 'Begin again where --out holds a run already' })
      .option('force', { type: 'boolean', describe: 'Train though this machine has less memory than that seems to take' })
      .conflicts('resume', 'overwrite')
      .option('sample-size', {
        default: 64,
        requiresArg: true,
        coerce: numberFlag('sample-size', 0),
        describe: `Samples drawn of each snapshot (a picture beside it) and of the best epoch (${runSamples}; of a table its columns, ${runTable}); 0 draws none`,
      })
      .option('keep', {
        requiresArg: true,
        coerce: numberFlag('keep', 1),
        describe: 'How many snapshots to keep, the newest; all if left out',
      })
      .option('limit', {
        requiresArg: true,
        coerce: numberFlag('limit', 2),
        describe: 'Use only the first N training examples, held-out ones (--validation) included; for trials',
      })
      .example('$0 train --dataset mnist --out runs/mnist --preset quick', 'a model in minutes')
      .example('$0 train --dataset mnist --out runs/mnist --preset quick --resume', 'go on with it')
      .example('$0 train --dataset table.csv --out runs/table', 'a density of plain numbers')
      .example('$0 train --dataset scans/ --resize 28x28 --grey --out runs/scans --preset quick', 'of your own images')
      .example('$0 train --config mnist.json --out runs/mnist --lr 5e-4', 'a config file, and a change to it'),
  async (args) => {
    const file: RecipeFile = args.config === undefined ? {} : await readRecipeFile(args.config)
    const name = args.dataset ?? file.dataset ?? defaultDataset
    const changes = recipeChanges(args)
    const asked = { flow: { ...file.flow, ...changes.flow }, training: { ...file.training, ...changes.training } }
    const dataset = await openDataset(name, args)
    const data = trainingData(dataset, args.limit)
    const preset = args.preset ?? file.preset ?? (isTable(dataFacts(data)) ? tablePreset : defaultPreset)
    // A recipe's file keeps its own model where it is given other data.
    const base = presetFor(preset, file.dataset ?? name)
    const suited = suitedTo(data, base, asked)
    const config = { ...suited, flow: { ...base.flow, ...suited.flow } }
    const { flow } = namingFlags(args, () => resolveRecipe(base, config, dataset.dim))
    for (const warning of flowWarnings(flow)) warn(warning)
    const { testFraction } = dataset.preparation ?? {}
    if (testFraction !== undefined)
      note(`${number(dataset.test.dims[0]!)} examples of ${name} are kept for testing, drawn from all (--test-fraction ${testFraction})`)

    let used: Used | undefined
    const interruption = interruptible()
    const display = trainProgress(dataset.imageShape === null ? 'examples' : 'images')
    const onProgress = (progress: TrainProgress): void => {
      display.onProgress(progress)
      if (progress.kind !== 'start') return
      used = { engine: progress.engine, device: progress.device }
      warnOfIdleFlag(args, progress.device)
    }
    const { resume = false, overwrite = false, force = false, out, keep, sampleSize } = args
    const drawInto = (run: Run, picture: string): Promise<void> => leaveSamples(run, picture, sampleSize, args.threads)
    const run = await train({
      data,
      preset,
      config,
      out,
      resume,
      overwrite,
      force,
      snapshots: { onSnapshot: drawInto, ...(keep === undefined ? {} : { keep }) },
      engine: args.engine,
      ...deviceOptions(args),
      signal: interruption.signal,
      onProgress,
    })
      .catch((error: unknown) => {
        if (error instanceof StoppedError) process.exitCode = interruption.exitCode()
        throw error
      })
      .finally(() => {
        display.stop()
        interruption.dispose()
      })

    if (dataset.imageShape === null && sampleSize > 0) await leaveTable(run, dataset, out, args.threads)
    else await drawInto(run, join(out, runSamples))
    const { state } = run
    if (used === undefined) note(`nothing left to do: ${whyFinished(state)}`)
    const history = await readHistory(out)
    const seconds = history.reduce((sum, epoch) => sum + (epoch.seconds ?? 0), 0)
    const { best, recipe, data: facts } = state
    const logLikelihood = best.validation ?? state.history.at(-1)!.training
    const { dataRange: range } = recipe.flow
    const density = densityOf({ ...facts, dataRange: range })
    return {
      json: {
        run: out,
        epochs: state.epoch,
        steps: state.step,
        best,
        logLikelihood,
        range,
        ...(used ?? { engine: null, device: null }),
        seconds,
        seed: recipe.training.seed,
      },
      text: [
        `${state.epoch} epochs in ${duration(seconds)}${used === undefined ? '' : ` by ${used.engine} on ${used.device}`}`,
        best.validation === null
          ? `training log-likelihood of the last epoch: ${nats(logLikelihood)} nats ${density}`
          : `best held-out log-likelihood: ${nats(best.validation)} nats ${density}, epoch ${number(best.epoch)}`,
        `run: ${out}; a bundle of it: niceflow export ${shellWord(out)} --out BUNDLE`,
      ].join('\n'),
    }
  },
)

/** Why a run that has ended has no epoch left. */
function whyFinished({ epoch, best, recipe: { training } }: Run['state']): string {
  if (epoch >= training.epochs) return 'every epoch is there'
  return `it stopped after epoch ${epoch}, as none after epoch ${best.epoch} was better (--patience ${training.patience})`
}

function trainingData({ train: examples, test: _, dim: __, ...facts }: Dataset, limit: number | undefined): TrainingData {
  const count = examples.dims[0]!
  if (limit !== undefined && limit > count)
    throw new InvalidValueError({ what: '--limit', expected: `at most ${count}`, got: limit, usage: true })
  return { ...facts, examples: rows<'uint8' | 'float32'>(examples, 0, limit ?? count) as Rows }
}

/** A picture of samples of a run's best epoch; none of a table, whose snapshots have none. */
async function leaveSamples(run: Run, picture: string, count: number, threads: number | undefined): Promise<void> {
  if (count === 0 || run.state.data.imageShape === null) return
  const samples = await withRun(run, dirname(picture), threads, (flow) => drawSamples(flow, count))
  if (samples) await writeAtomic(picture, samples)
}

/** What a run of a table came to, beside its data. */
async function leaveTable(run: Run, dataset: Dataset, out: string, threads: number | undefined): Promise<void> {
  const { file, content } = await withRun(run, out, threads, (flow) => pictureSamples(flow, dataset))
  await writeAtomic(join(out, file), content)
}

/** Lends the model of a run's best epoch, through a bundle in its folder that is gone afterwards. */
async function withRun<T>(run: Run, folder: string, threads: number | undefined, use: (flow: Flow) => Promise<T>): Promise<T> {
  const bundle = temporaryName(join(folder, scratchBundle))
  try {
    // An earlier process of our number may have been killed while it drew.
    await rm(bundle, { recursive: true, force: true })
    await exportBundle(run, bundle)
    return await withFlow(bundle, { device: 'cpu', threads }, use)
  } finally {
    await rm(bundle, { recursive: true, force: true })
  }
}
