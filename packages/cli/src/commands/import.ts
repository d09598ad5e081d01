import { isTable } from '@niceflow/core'
import { type ImportFormat, importFormats, importRun, presets, resolveRecipe, suitedTo } from '@niceflow/trainer'
import { type Command, command } from '../command.ts'
import { openDataset } from '../dataset.ts'
import { datasetFlags, datasetHelp } from '../flags.ts'
import { preparationFlags } from '../model-card.ts'
import { warn } from '../progress.ts'
import { fieldOf, namingFlags, type RecipeFlag, recipeChanges, recipeFlags, trainCommandLine } from '../recipe-flags.ts'
import { recipeOptions } from '../recipe-options.ts'
import { number, shellWord } from '../text.ts'

/** The recipe that a format's models are of, where nothing else is said. */
const recipes = { 'pytorch-nice': presets.masked } as const satisfies Record<ImportFormat, unknown>
const usual = recipes['pytorch-nice']

/** What weights do not tell of a flow; the rest of it is theirs. */
const flowFields: readonly RecipeFlag['field'][] = ['activation', 'leak', 'prior']
/** What draws first weights, which are there. */
const starts: readonly RecipeFlag['field'][] = ['scaleInit', 'couplingInit']
const flags = recipeFlags.filter(({ part, field }) => (part === 'flow' ? flowFields.includes(field) : !starts.includes(field)))

const groups = { flow: 'Model (what the file does not tell):', training: 'Training (how it is fitted further, and its pixels are spread):' }

export const importCommand: Command = command(
  (yargs) =>
    recipeOptions(datasetFlags(yargs), { ...groups, whenLeftOut: (flag) => flag.write(fieldOf(usual, flag)) }, flags)
      .alias('latent', 'prior')
      .positional('weights', { type: 'string', demandOption: true, describe: 'A file of weights; sizes are those of its arrays' })
      .option('format', {
        choices: importFormats,
        demandOption: true,
        requiresArg: true,
        describe: "What it holds: the state dict of PyTorch's masked NICE as safetensors",
      })
      .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'The folder of the run that it becomes' })
      .option('dataset', {
        type: 'string',
        default: 'mnist',
        requiresArg: true,
        describe: `What it was fitted to: ${datasetHelp}`,
      })
      .option('overwrite', { type: 'boolean', default: false, describe: 'Replace a run that --out holds already' })
      .example('$0 import 75.safetensors --format pytorch-nice --out runs/theirs', 'then export, or train --resume')
      .example(
        '$0 import relu.safetensors --format pytorch-nice --activation relu --dequantize independent --out runs/theirs',
        'not all as there',
      ),
  async ({ weights, format, out, dataset: name, overwrite, ...args }) => {
    const { train: examples, test: _, dim: width, ...facts } = await openDataset(name, args)
    const data = { ...facts, examples }
    const config = suitedTo(data, recipes[format], recipeChanges(args))
    const recipe = namingFlags(args, () => resolveRecipe(recipes[format], config, width))
    const { state, count } = await importRun(weights, out, { data, recipe, format, overwrite, onWarning: warn })
    const { dim, couplings, hiddenLayers, hiddenDim } = state.recipe.flow
    // What a table is given where nobody says otherwise, weights that are there were not fitted behind.
    const plain = isTable(state.data) ? ['--preprocessing=none'] : []
    const words = [`--dataset=${name}`, ...preparationFlags(facts.preparation), `--out=${out}`, '--resume', ...plain]
    const resume = trainCommandLine(state.recipe, words, name)
    return {
      json: {
        run: out,
        format,
        sha256: state.imported!.sha256,
        dim,
        couplings,
        hiddenLayers,
        hiddenDim,
        parameters: count.kept,
        fileParameters: count.file,
        dataset: name,
        dequantization: state.recipe.training.dequantization,
        resume,
      },
      text: [
        `${couplings} couplings of ${hiddenLayers} x ${hiddenDim} hidden units, ${dim} dimensions`,
        `${number(count.file)} parameters, ${number(count.kept)} without those that its masks silence`,
        `run: ${out}; a bundle of it: niceflow export ${shellWord(out)} --out BUNDLE`,
        `to fit it further: ${resume}`,
      ].join('\n'),
    }
  },
)
