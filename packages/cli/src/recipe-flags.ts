import { InvalidValueError } from '@niceflow/core'
import { type FlowConfig, InvalidConfigError, type Preprocessing } from '@niceflow/flow'
import { defaultPreset, type PartialRecipe, type PresetName, presetFor, presets, type Recipe, type TrainingConfig } from '@niceflow/trainer'
import { numberFlag } from './flags.ts'
import { shellWord } from './text.ts'

/** How a field of a recipe is written on a command line. */
type Notation = {
  readonly read: (flag: string) => (text: unknown) => unknown
  readonly write: (value: unknown) => string
  /** The words that it may be, where they are few. */
  readonly choices?: readonly string[]
}

const number: Notation = { read: (flag) => numberFlag(flag), write: String }

/** One of some words, each standing for a value. */
function words(meanings: Readonly<Record<string, string>>): Notation {
  const choices = Object.keys(meanings)
  const read = (flag: string) => (text: unknown) => {
    const meaning = Object.hasOwn(meanings, String(text)) ? meanings[String(text)] : undefined
    if (meaning !== undefined) return meaning
    throw new InvalidValueError({ what: `--${flag}`, expected: choices.join(', '), got: text, usage: true })
  }
  return { read, write: String, choices }
}

function word(...choices: readonly string[]): Notation {
  return words(Object.fromEntries(choices.map((choice) => [choice, choice])))
}

/** Numbers between commas, or one of some words. */
function numbers(...choices: readonly string[]): Notation {
  return {
    read: (flag) => (text) => (choices.includes(String(text)) ? text : String(text).split(',').map(numberFlag(flag))),
    write: (value) => (Array.isArray(value) ? value.join(',') : String(value)),
  }
}

const preprocessing: Notation = {
  read: (flag) => (text) =>
    text === 'none'
      ? []
      : String(text)
          .split(',')
          .map((step) => preprocessingStep(flag, step)),
  write: (value) =>
    (value as readonly Preprocessing[]).map(({ kind, ...rest }) => [kind, ...Object.values(rest)].join(':')).join(',') || 'none',
}

/** How steps are written; of whiten's parts, the last may be left out, or both. */
const preprocessingSteps = 'equalize:BINS, logit:ALPHA, standardize, whiten:zca:EPSILON'

function preprocessingStep(flag: string, step: string): Preprocessing {
  const [kind, number, ...rest] = step.split(':')
  if (kind === 'whiten' && (number ?? 'zca') === 'zca' && rest.length <= 1) {
    return { kind, method: 'zca', epsilon: numberFlag(flag)(rest[0] ?? '0') }
  }
  if (rest.length === 0) {
    if (kind === 'equalize') return { kind, bins: numberFlag(flag)(number ?? '10') }
    if (kind === 'logit') return { kind, alpha: numberFlag(flag)(number ?? '1e-6') }
    if (kind === 'standardize' && number === undefined) return { kind }
  }
  throw new InvalidValueError({ what: `--${flag}`, expected: `none, or some of ${preprocessingSteps}`, got: step, usage: true })
}

export type RecipeFlag = Notation & {
  readonly flag: string
  readonly about: string
} & (
    | { readonly part: 'flow'; readonly field: Exclude<keyof FlowConfig, 'dim'> }
    | { readonly part: 'training'; readonly field: keyof TrainingConfig }
  )

/** Every field of a recipe but the dimension, which is the data's, and the flag that sets it. */
export const recipeFlags: readonly RecipeFlag[] = [
  { flag: 'seed', part: 'training', field: 'seed', ...number, about: 'Of every random draw' },
  { flag: 'max-iter', part: 'training', field: 'epochs', ...number, about: 'Epochs: passes over the training examples' },
  { flag: 'batch-size', part: 'training', field: 'batchSize', ...number, about: 'Examples in a step' },
  { flag: 'lr', part: 'training', field: 'learningRate', ...number, about: 'Learning rate' },
  {
    flag: 'schedule',
    part: 'training',
    field: 'schedule',
    ...word('cosine', 'linear', 'constant'),
    about: 'How the learning rate goes on after warm-up',
  },
  { flag: 'final-lr', part: 'training', field: 'finalLearningRate', ...number, about: 'Where cosine and linear end' },
  { flag: 'warmup', part: 'training', field: 'warmup', ...number, about: 'Epochs over which the learning rate rises' },
  { flag: 'momentum', part: 'training', field: 'beta1', ...number, about: "Adam's beta1" },
  { flag: 'decay', part: 'training', field: 'beta2', ...number, about: "Adam's beta2" },
  { flag: 'epsilon', part: 'training', field: 'epsilon', ...number, about: "Adam's epsilon" },
  { flag: 'weight-decay', part: 'training', field: 'weightDecay', ...number, about: 'Decoupled, times the learning rate' },
  {
    flag: 'scale-rate',
    part: 'training',
    field: 'scaleRate',
    ...number,
    about: "The scaling layer's learning rate, relative to the others'",
  },
  {
    flag: 'scale-init',
    part: 'training',
    field: 'scaleInit',
    ...word('data', 'zero', 'normal'),
    about: "How the scaling layer's s starts",
  },
  {
    flag: 'coupling-init',
    part: 'training',
    field: 'couplingInit',
    ...word('identity', 'masked'),
    about: "How the couplings' networks start: moving nothing, or as PyTorch's masked form starts",
  },
  { flag: 'clip', part: 'training', field: 'clip', ...number, about: "The largest norm of a step's gradients; 0 leaves them" },
  { flag: 'averaging', part: 'training', field: 'averaging', ...number, about: 'Decay of the moving average of weights; 0 keeps none' },
  { flag: 'dropout', part: 'training', field: 'dropout', ...number, about: 'Probability with which a hidden unit is dropped' },
  {
    flag: 'dequantize',
    part: 'training',
    field: 'dequantization',
    ...word('independent', 'shared'),
    about: 'Noise of pixels: (pixel + u) / 256 for each image, or pixel / 255 + u / 256 with one u for a batch, up to 1',
  },
  { flag: 'image-shift', part: 'training', field: 'imageShift', ...number, about: 'Move training images by up to so many pixels' },
  { flag: 'plain-epochs', part: 'training', field: 'plainEpochs', ...number, about: 'Last epochs in which --image-shift moves none' },
  {
    flag: 'validation',
    part: 'training',
    field: 'validation',
    ...number,
    about: 'Training examples held out to choose the best epoch; 0 keeps the last',
  },
  { flag: 'patience', part: 'training', field: 'patience', ...number, about: 'Stop after so many epochs without a better one; 0 never' },
  { flag: 'save-every', part: 'training', field: 'saveEvery', ...number, about: 'Epochs between snapshots; 0 keeps none' },
  {
    flag: 'steps-per-run',
    part: 'training',
    field: 'stepsPerRun',
    ...number,
    about: 'Steps in one run of the graph (up to five times as many on cuda), after which progress is shown and signals are heard',
  },
  { flag: 'coupling', part: 'flow', field: 'couplings', ...number, about: 'Coupling layers' },
  {
    flag: 'coup-type',
    part: 'flow',
    field: 'law',
    ...word('additive', 'multiplicative', 'affine', 'histogram', 'spline'),
    about: 'Coupling law',
  },
  {
    flag: 'bins',
    part: 'flow',
    field: 'bins',
    ...number,
    about: "Of a dimension's conditional density, where the law is histogram or spline",
  },
  {
    flag: 'shift-unit',
    part: 'flow',
    field: 'shiftUnit',
    ...word('one', 'deviation'),
    about: "The unit of a coupling's shifts: the data's own, or each dimension's deviation",
  },
  { flag: 'mid-dim', part: 'flow', field: 'hiddenDim', ...number, about: 'Units of a hidden layer' },
  { flag: 'hidden', part: 'flow', field: 'hiddenLayers', ...number, about: 'Hidden layers of a coupling' },
  { flag: 'activation', part: 'flow', field: 'activation', ...word('relu', 'leaky-relu'), about: 'Of hidden units' },
  { flag: 'leak', part: 'flow', field: 'leak', ...number, about: "Leaky ReLU's slope below 0" },
  {
    flag: 'latent',
    part: 'flow',
    field: 'prior',
    ...words({ logistic: 'logistic', gaussian: 'gaussian', normal: 'gaussian' }),
    about: 'Prior of the latent dimensions',
  },
  {
    flag: 'partition',
    part: 'flow',
    field: 'partition',
    ...numbers('even-odd', 'halves', 'dyadic'),
    about: 'The first half: even-odd, halves, dyadic (another for each coupling), or indices between commas',
  },
  { flag: 'start', part: 'flow', field: 'start', ...word('first', 'second'), about: 'The half that passes the first coupling unchanged' },
  {
    flag: 'preprocessing',
    part: 'flow',
    field: 'preprocessing',
    ...preprocessing,
    about: `Bijections before the first coupling: none, or some of ${preprocessingSteps}`,
  },
  { flag: 'data-range', part: 'flow', field: 'dataRange', ...numbers(), about: 'Where pixels are spread: low,high' },
]

/** A field's value in a recipe. */
export function fieldOf(recipe: Recipe, { part, field }: RecipeFlag): unknown {
  return (recipe[part] as Readonly<Record<string, unknown>>)[field]
}

/** What a flag is when it is not given: the default preset's value, and that of each preset that has another. */
export function presetDefaults(flag: RecipeFlag): string {
  const text = (recipe: Recipe): string => flag.write(fieldOf(recipe, flag))
  const usual = text(presets[defaultPreset])
  const others = Object.entries(presets).flatMap(([name, recipe]) => (text(recipe) === usual ? [] : [`${name}: ${text(recipe)}`]))
  return others.length === 0 ? usual : `${usual}; ${others.join(', ')}`
}

/** The fields that flags of a command line set. */
export function recipeChanges(args: Readonly<Record<string, unknown>>): Required<PartialRecipe> {
  const of = (wanted: RecipeFlag['part']): Record<string, unknown> =>
    Object.fromEntries(
      recipeFlags.filter(({ part, flag }) => part === wanted && args[flag] !== undefined).map(({ field, flag }) => [field, args[flag]]),
    )
  return { flow: of('flow'), training: of('training') }
}

/** What `resolve` gives; a field that it refuses is called by the flag that set it, where one did. */
export function namingFlags<T>(args: Readonly<Record<string, unknown>>, resolve: () => T): T {
  try {
    return resolve()
  } catch (error) {
    const at = error instanceof InvalidConfigError ? error.at : undefined
    const flag = recipeFlags.find(({ field, flag }) => field === at?.field && args[flag] !== undefined)
    throw at && flag ? new InvalidConfigError(`--${flag.flag}: ${at.problem}`, { usage: true, cause: error }) : error
  }
}

/** A flag that a recipe sets otherwise than another one: its value in both, as they are written. */
export type Departure = { readonly flag: RecipeFlag; readonly text: string; readonly usual: string }

/** Where a recipe departs from another; of the seed nothing is said. */
export function departures(recipe: Recipe, from: Recipe): readonly Departure[] {
  return recipeFlags.flatMap((flag) => {
    const [text, usual] = [flag.write(fieldOf(recipe, flag)), flag.write(fieldOf(from, flag))]
    return text === usual || flag.field === 'seed' ? [] : [{ flag, text, usual }]
  })
}

/** The command that fits such a model to a dataset again: its seed, the nearest preset, and a flag for every field in which the recipe differs from it. */
export function trainCommandLine(recipe: Recipe, rest: readonly string[], dataset = ''): string {
  const candidates = (Object.keys(presets) as PresetName[]).map((name) => ({ name, changes: departures(recipe, presetFor(name, dataset)) }))
  const { name, changes } = candidates.reduce((best, next) => (next.changes.length < best.changes.length ? next : best))
  const flags = changes.map(({ flag, text }) => `--${flag.flag}=${text}`)
  return ['niceflow train', ...[...rest, `--seed=${recipe.training.seed}`, `--preset=${name}`, ...flags].map(shellWord)].join(' ')
}
