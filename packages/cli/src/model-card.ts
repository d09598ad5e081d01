import { type Manifest, type Provenance, pixelLevels, type StorageType, sharedFormula } from '@niceflow/core'
import { findEntry } from '@niceflow/data'
import { type FlowConfig, nice, parameterCount } from '@niceflow/flow'
import { filesOf } from '@niceflow/runtime'
import { presets, type Recipe, recipeOf, type TrainingConfig } from '@niceflow/trainer'
import { storageRows } from './bundle.ts'
import { type Departure, departures, trainCommandLine } from './recipe-flags.ts'
import { nats, number, rangeOf } from './text.ts'

export const cardFile = 'README.md'
export const samplesFile = 'samples.png'

/** A flow in a line. */
export function flowInWords(config: FlowConfig): string {
  const { couplings, law, hiddenLayers, hiddenDim, activation, prior } = config
  const parameters = number(parameterCount(nice(config).parameters))
  return `${couplings} ${law} couplings of ${hiddenLayers} x ${hiddenDim} hidden units (${activation}), ${prior} prior, ${parameters} parameters`
}

/** The command that fits the model of a bundle again; for a caller's own array there is none, nor where another program began. */
export function fitAgain(manifest: Manifest, out = 'RUN'): string | undefined {
  const { dataset, imported, trainingExamples } = manifest.provenance
  const entry = findEntry(dataset)
  if (!entry || imported) return undefined
  const recipe = recipeOf(manifest)
  const count = trainingExamples + recipe.training.validation
  const limit = count < entry.figures.train ? [`--limit=${count}`] : []
  return trainCommandLine(recipe, [`--dataset=${dataset}`, `--out=${out}`, ...limit])
}

/** A bundle's model card, in Markdown: all that it says is the manifest's. */
export function modelCard(manifest: Manifest): string {
  const { name, model, provenance } = manifest
  const recipe = recipeOf(manifest)
  const { flow, training } = recipe
  const density = `nats per example, a density on ${rangeOf(model.dataRange)}^${model.dim}`
  const again = fitAgain(manifest)
  const inpaints = model.imageShape !== null && manifest.variants[manifest.dtype]?.inpainter !== undefined
  const entry = findEntry(provenance.dataset)
  const licence = entry ? ` Licence of the data: ${entry.licence}.` : ''
  return `# ${name}

A normalizing flow of the family of NICE (Dinh, Krueger and Bengio 2014, https://arxiv.org/abs/1410.8516): ${flowInWords(flow)}.
${kinship(recipe)}
It maps data to independent latent variables and back, exactly, and so gives every example a likelihood.
${model.imageShape === null ? '' : `\n![Samples drawn from the model](${samplesFile})\n`}
## Data

${fitting(provenance, training)}
${dequantization(manifest)}${licence}
${recipeTable(recipe, provenance)}
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
npx niceflow sample . --count 64 --seed 1 --out grid.png
npx niceflow score . image.png
${inpaints ? 'npx niceflow inpaint . --input image.png --mask top --out filled.png\n' : ''}npx niceflow verify .
\`\`\`

An encoder (x -> z, log_likelihood)${inpaints ? ', its decoder (z -> x) and an inpainter' : ' and its decoder (z -> x)'} run on any ONNX Runtime, their file of weights beside them.
${again === undefined ? '' : `\nFitted by \`${again}\`.\n`}
## Limits

- A high likelihood does not make an example typical, and models of this family give simple data of other kinds high likelihoods. Compare with
  held-out examples, on both sides and of the same complexity (the p-values that \`score\` prints), rather than with a threshold of nats.
- Likelihoods are comparable between models of the same data on the same data range only.
${inpaints ? '- Filled images are at a hilltop of the likelihood near their start; some hills are near no real example.\n' : ''}- It knows nothing that its training data do not show; samples may resemble training examples.
`
}

/** Fields that change how functions are written and fitted, not which there are. */
const sameFunctions: readonly Departure['flag']['field'][] = ['shiftUnit', 'leak']

/** Whether it is the model that the paper reports on. */
function kinship(recipe: Recipe): string {
  const other = departures(recipe, presets.paper).filter(({ flag: { part, field } }) => part === 'flow' && !sameFunctions.includes(field))
  if (other.length === 0) return "It has the architecture of the paper's MNIST model."
  return `**It is not the paper's MNIST model**: ${other.map(({ flag, text, usual }) => `${flag.flag} ${text} (there ${usual})`).join('; ')}.`
}

/** What the model was fitted to, as far as that is known. */
function fitting(
  { imported, dataset, datasetSha256, epochs, steps, trainingExamples }: Provenance,
  { validation }: TrainingConfig,
): string {
  const data = `${dataset} (SHA-256 ${datasetSha256})`
  const origin = imported && `Imported from weights that another program trained (${imported.format}, SHA-256 ${imported.sha256})`
  if (origin && epochs === 0) return `${origin}, which do not tell what they were fitted to: by its importer's word to ${data}.`
  const chosen =
    validation > 0 ? `chosen on ${number(validation)} more that were held out` : 'none held out: the last epoch, not the best of some'
  return `${origin ? `${origin}, then fitted` : 'Fitted'} to ${number(trainingExamples)} examples of ${data},
epoch ${number(epochs)} (${number(steps)} steps), ${chosen}.`
}

/** What was done otherwise than in the paper; of a model that was not fitted here, what it is otherwise. */
function recipeTable(recipe: Recipe, { imported, epochs }: Provenance): string {
  const known = ({ flag: { part, field } }: Departure): boolean =>
    !(imported && epochs === 0) || part === 'flow' || field === 'dequantization'
  const rows = departures(recipe, presets.paper)
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

function dequantization({ model: { pixels, dataRange, dequantization } }: Manifest): string {
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
