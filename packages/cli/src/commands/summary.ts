import { join } from 'node:path'
import { type Flow, type FlowConfig, nice, type Parameter, parameterCount } from '@niceflow/flow'
import { readBundle } from '@niceflow/runtime-node'
import {
  defaultPreset,
  exists,
  manifestFile,
  type PresetName,
  presetFor,
  presets,
  readRecipeFile,
  readRun,
  recipeOf,
  resolveRecipe,
} from '@niceflow/trainer'
import { type Command, command } from '../command.ts'
import { warn } from '../progress.ts'
import { megabytes, number, table } from '../text.ts'

/** A layer and its parts. `shape` is that of its output. */
type Layer = {
  readonly name: string
  readonly shape: readonly ['batch', number]
  readonly parameters: number
  readonly layers: readonly Layer[]
}

export const summaryCommand: Command = command(
  (yargs) =>
    yargs
      .positional('model', {
        type: 'string',
        demandOption: true,
        describe: `A preset (${Object.keys(presets).join(', ')}), a recipe's JSON file, a run or a bundle`,
      })
      .option('masked', {
        type: 'boolean',
        default: false,
        describe: 'As the PyTorch form counts: its networks take and give every dimension, and mask one half',
      })
      .example('$0 summary paper', "the paper's MNIST model")
      .example('$0 summary pipelines/tfd/paper.json', "the paper's TFD model: 346 million parameters")
      .example('$0 summary paper --masked', 'the same, as PyTorch reproductions print it'),
  async ({ model, masked }) => {
    const layers = layersOf(nice(await configOf(model)), masked)
    const parameters = layers.reduce((sum, layer) => sum + layer.parameters, 0)
    const bytes = parameters * Float32Array.BYTES_PER_ELEMENT
    const rows = layers.flatMap((layer) => [row('', layer), ...layer.layers.map((part) => row('  ', part))])
    return {
      json: { model, masked, layers, parameters, bytes },
      text: table([['layer', 'output', 'parameters'], ...rows, ['total', megabytes(bytes), number(parameters)]], [1]),
    }
  },
)

function row(indent: string, { name, shape, parameters }: Layer): string[] {
  return [indent + name, `[${shape.join(', ')}]`, number(parameters)]
}

/** A preset by its name, else a recipe's file, whose dimension is that of the preset's data, else the folder of a bundle or of a run. */
async function configOf(model: string): Promise<FlowConfig> {
  if (Object.hasOwn(presets, model)) return presets[model as PresetName].flow
  if (model.endsWith('.json')) {
    const { preset = defaultPreset, dataset = '', flow, training } = await readRecipeFile(model)
    const base = presetFor(preset, dataset)
    return resolveRecipe(base, { flow, training }, flow?.dim ?? base.flow.dim).flow
  }
  if (await exists(join(model, manifestFile))) return recipeOf((await readBundle(model, { verify: false })).manifest).flow
  return (await readRun(model, warn)).state.recipe.flow
}

/** The layers in the order in which data pass them. */
function layersOf(flow: Flow, masked: boolean): readonly Layer[] {
  const shape = ['batch', flow.config.dim] as const
  const whole = (name: string, parameters: readonly Parameter[]): Layer => ({
    name,
    shape,
    parameters: parameterCount(parameters),
    layers: [],
  })
  const preprocessing = flow.preprocessing.map(({ name, parameters }, i) =>
    whole(`${name} (${flow.config.preprocessing[i]!.kind})`, parameters),
  )
  const couplings = flow.couplings.map((coupling): Layer => {
    const parameters = masked ? fullWidth(coupling, flow) : coupling.parameters
    return { ...whole(coupling.name, parameters), layers: partsOf(parameters) }
  })
  return [...preprocessing, ...couplings, whole('scaling', flow.scaling.parameters)]
}

/** The part of a layer that a parameter's name puts it in: `coupling_1/layer_2/weight` is of layer_2. */
function partOf({ name }: Parameter): string {
  return name.split('/')[1]!
}

function partsOf(parameters: readonly Parameter[]): readonly Layer[] {
  return [...new Set(parameters.map(partOf))].map((name) => {
    const own = parameters.filter((parameter) => partOf(parameter) === name)
    return { name, shape: ['batch', own[0]!.dims.at(-1)!], parameters: parameterCount(own), layers: [] }
  })
}

/** A coupling's parameters where its network takes all D dimensions and gives numbers for all of them, to mask half of either. */
function fullWidth({ partition, passes, parameters }: Flow['couplings'][number], { config }: Flow): readonly Parameter[] {
  const { dim, hiddenLayers } = config
  const moved = partition[passes === 'first' ? 'second' : 'first'].length
  const parts = [...new Set(parameters.map(partOf))]
  return parameters.map((parameter, i) => {
    const dims = [...parameter.dims]
    if (i === 0) dims[0] = dim
    if (parts.indexOf(partOf(parameter)) >= hiddenLayers) dims.push((dims.pop()! / moved) * dim)
    return { ...parameter, dims }
  })
}
