import { isTable, type Manifest, type Preparation, type Provenance, pixelLevels, type StorageType, sharedFormula } from '@niceflow/core'
import { findEntry } from '@niceflow/data'
import { type FlowConfig, nice, paperFlows, parameterCount } from '@niceflow/flow'
import { filesOf } from '@niceflow/runtime'
import { presetFor, presets, type Recipe, recipeOf, type TrainingConfig } from '@niceflow/trainer'
import { samplesFiles, storageRows } from './bundle.ts'
import { type Departure, departures, trainCommandLine } from './recipe-flags.ts'
import { densityOf, nats, number, rangeOf } from './text.ts'

export const cardFile = 'README.md'

/** A flow in a line. */
export function flowInWords(config: FlowConfig): string {
  const { couplings, law, hiddenLayers, hiddenDim, activation, prior } = config
  const parameters = number(parameterCount(nice(config).parameters))
  return `${couplings} ${law} couplings of ${hiddenLayers} x ${hiddenDim} hidden units (${activation}), ${prior} prior, ${parameters} parameters`
}

/** The command that fits the model of a bundle again; for a caller's own array there is none, nor where another program began. */
export function fitAgain(manifest: Manifest, out = 'RUN'): string | undefined {
  const { dataset, imported, trainingExamples, preparation } = manifest.provenance
  const entry = findEntry(dataset)
  if ((!entry && !preparation) || imported) return undefined
  const recipe = askedRecipe(manifest)
  const count = trainingExamples + recipe.training.validation
  const limit = entry && count < entry.figures.train ? [`--limit=${count}`] : []
  return trainCommandLine(recipe, [`--dataset=${dataset}`, ...preparationFlags(preparation), `--out=${out}`, ...limit], dataset)
}

/** A model's recipe without what no one asked for: the range of a table is its data's own. */
function askedRecipe(manifest: Manifest): Recipe {
  const recipe = recipeOf(manifest)
  return isTable(manifest.model) ? { ...recipe, flow: { ...recipe.flow, dataRange: presets.paper.flow.dataRange } } : recipe
}

/** How a user's files were read, as the flags that say so. */
export function preparationFlags({ resize, grey, columns, testFraction }: Preparation = {}): readonly string[] {
  return [
    ...(resize ? [`--resize=${resize.join('x')}`] : []),
    ...(grey ? ['--grey'] : []),
    ...(columns ? [`--columns=${columns.join(',')}`] : []),
    ...(testFraction === undefined ? [] : [`--test-fraction=${testFraction}`]),
  ]
}

/** A bundle's model card, in Markdown: all that it says is the manifest's. */
export function modelCard(manifest: Manifest): string {
  const { name, model, provenance } = manifest
  const recipe = askedRecipe(manifest)
  const { flow, training } = recipe
  const table = isTable(model)
  const density = `nats per example, a density ${table ? densityOf(model) : `on ${rangeOf(model.dataRange)}^${model.dim}`}`
  const again = fitAgain(manifest)
  const inpaints = model.imageShape !== null && manifest.variants[manifest.dtype]?.inpainter !== undefined
  const entry = findEntry(provenance.dataset)
  const licence = entry ? ` Licence of the data: ${entry.licence}.` : ''
  return `# ${name}

A normalizing flow of the family of NICE (Dinh, Krueger and Bengio 2014, https://arxiv.org/abs/1410.8516): ${flowInWords(flow)}.
${kinship(manifest)}
It maps data to independent latent variables and back, exactly, and so gives every example a likelihood.

![Samples drawn from the model](${model.imageShape === null ? samplesFiles.numbers : samplesFiles.images})

## Data

${fitting(provenance, training)}
${dequantization(manifest)}${licence}
${recipeTable(manifest)}
## Figures

| examples | log-likelihood | bits per dimension |
|---|---|---|
${figures(manifest).join('\n')}

Log-likelihoods are in ${density}.

## Storage

| \`--dtype\` | size | nats lost | files |
|---|---|---|---|
${storage(manifest).join('\n')}

Weights are stored so, and computed with in float32.${costs(manifest)}

## Use

For drawing examples like the training data, scoring how likely others are under it, and as a reference for other density models. Not for
deciding about people, nor as the only judge of whether an input is genuine.

\`\`\`sh
npx niceflow sample . --count 64 --seed 1 --out ${table ? 'samples.csv' : 'grid.png'}
npx niceflow score . ${table ? 'table.csv' : 'image.png'}
${inpaints ? 'npx niceflow inpaint . --input image.png --mask top --out filled.png\n' : ''}npx niceflow verify .
\`\`\`

An encoder (x -> z, log_likelihood)${inpaints ? ', its decoder (z -> x) and an inpainter' : ' and its decoder (z -> x)'} run on any ONNX Runtime, their file of weights beside them.
${again === undefined ? '' : `\nFitted by \`${again}\`.\n`}
## Limits

- A high likelihood does not make an example typical, and models of this family give simple data of other kinds high likelihoods. Compare with
  held-out examples, on both sides and of the same complexity (the p-values that \`score\` prints), rather than with a threshold of nats.
- Likelihoods are comparable between models of the same data ${table ? 'in the same units' : 'on the same data range'} only.
${inpaints ? '- Filled images are at a hilltop of the likelihood near their start; some hills are near no real example.\n' : ''}- It knows nothing that its training data do not show; samples may resemble training examples.
`
}

/** What was kept from training, where a user's files were split. */
function heldBack({ preparation }: Manifest['provenance']): string {
  const fraction = preparation?.testFraction
  return fraction === undefined ? '' : `, a share of ${fraction} of them kept for testing`
}

/** Fields that change how functions are written and fitted, not which there are. */
const sameFunctions: readonly Departure['flag']['field'][] = ['shiftUnit', 'leak']

/** Whether it is the model that the paper reports on. */
function kinship(manifest: Manifest): string {
  const other = otherArchitecture(manifest)
  const model = `the paper's ${paperDataset(manifest).toUpperCase()} model`
  return other === '' ? `It has the architecture of ${model}.` : `**It is not ${model}**: ${other}.`
}

/** The paper's own dataset, where a model was fitted to one; else MNIST. */
function paperDataset({ provenance: { dataset } }: Manifest): string {
  return Object.hasOwn(paperFlows, dataset) ? dataset : 'mnist'
}

/** What a model has otherwise than the paper's for its data; empty where it has all of it. */
function otherArchitecture(manifest: Manifest): string {
  return departures(askedRecipe(manifest), presetFor('paper', paperDataset(manifest)))
    .filter(({ flag: { part, field } }) => part === 'flow' && !sameFunctions.includes(field))
    .map(({ flag, text, usual }) => `${flag.flag} ${text} (there ${usual})`)
    .join('; ')
}

/** In a sentence or two, why a result is not to be held against the paper's: another model, or fewer examples. */
export function fromThePaper(manifest: Manifest): string {
  const { dataset, trainingExamples } = manifest.provenance
  const count = trainingExamples + recipeOf(manifest).training.validation
  const all = findEntry(dataset)?.figures.train ?? count
  const other = otherArchitecture(manifest)
  return [
    ...(other === '' ? [] : [`This is not the paper's model: ${other}.`]),
    ...(count < all ? [`It was fitted to ${number(count)} of ${number(all)} examples, held-out ones included.`] : []),
  ].join(' ')
}

/** What the model was fitted to, as far as that is known. */
function fitting(provenance: Provenance, { validation }: TrainingConfig): string {
  const { imported, dataset, datasetSha256, epochs, steps, trainingExamples } = provenance
  const data = `${dataset} (SHA-256 ${datasetSha256})`
  const origin = imported && `Imported from weights that another program trained (${imported.format}, SHA-256 ${imported.sha256})`
  if (origin && epochs === 0) return `${origin}, which do not tell what they were fitted to: by its importer's word to ${data}.`
  const chosen =
    validation > 0 ? `chosen on ${number(validation)} more that were held out` : 'none held out: the last epoch, not the best of some'
  return `${origin ? `${origin}, then fitted` : 'Fitted'} to ${number(trainingExamples)} examples of ${data}${heldBack(provenance)},
epoch ${number(epochs)} (${number(steps)} steps), ${chosen}.`
}

/** What was done otherwise than in the paper; of a model that was not fitted here, what it is otherwise. */
function recipeTable(manifest: Manifest): string {
  const { imported, epochs } = manifest.provenance
  const known = ({ flag: { part, field } }: Departure): boolean =>
    !(imported && epochs === 0) || part === 'flow' || field === 'dequantization'
  const rows = departures(askedRecipe(manifest), presetFor('paper', paperDataset(manifest)))
    .filter(known)
    .map(({ flag, text, usual }) => `| \`${flag.flag}\` | ${text} | ${usual} | ${flag.about} |`)
  if (rows.length === 0) return "\nFitted by the paper's recipe.\n"
  return `
## Recipe

What was done otherwise than in the paper; the rest is as there.

| | here | paper | |
|---|---|---|---|
${rows.join('\n')}
`
}

function dequantization({ model: { pixels, dataRange, columns, imageShape, dequantization } }: Manifest): string {
  if (isTable({ pixels, imageShape })) {
    const named = columns ? ` Columns: ${columns.join(', ')}.` : ''
    return `Values are taken as they are, from ${dataRange[0]} to ${dataRange[1]}, and not dequantised.${named}`
  }
  if (!pixels) return `Values are taken as they are, on ${rangeOf(dataRange)}.`
  if (dequantization === 'shared') return `Pixels are dequantised as ${sharedFormula(dataRange)}.`
  const [low, high] = dataRange
  const step = high - low === 1 ? `(pixel + u) / ${pixelLevels}` : `(pixel + u) * ${high - low} / ${pixelLevels}`
  return `Pixels are dequantised as x = ${low === 0 ? '' : `${low} + `}${step}, u uniform on (0, 1).`
}

function figures({ calibration, evaluation }: Manifest): string[] {
  const rows: string[] = []
  if (evaluation) {
    const { split, examples, draws, logLikelihood, bitsPerDim } = evaluation
    const figure = `${nats(logLikelihood.mean)} ± ${nats(logLikelihood.standardError)}`
    const times = draws === 1 ? '' : `, ${draws} draws each`
    rows.push(`| ${number(examples)} ${split}${times} | ${figure} | ${bitsPerDim?.toFixed(3) ?? '-'} |`)
  }
  if (calibration) {
    const { split, examples, quantiles } = calibration
    const at = (probability: number): string => nats(quantiles.find(([p]) => p === probability)?.[1] ?? null)
    rows.push(`| ${number(examples)} ${split} | median ${at(0.5)}, from ${at(0.05)} to ${at(0.95)} in 90 % | |`)
  }
  return rows.length > 0 ? rows : ['| none measured yet | | |']
}

function storage(manifest: Manifest): string[] {
  return storageRows(manifest).map((row) => {
    const files = filesOf(manifest.variants[row[0] as StorageType]!).map((file) => `\`${file}\``)
    return `| ${[...row, files.join(', ')].join(' | ')} |`
  })
}

function costs({ storageCost: cost }: Manifest): string {
  return cost ? ` Nats lost: mean over ${number(cost.examples)} ${cost.split} examples, against the float32 parameters of the run.` : ''
}
