import { paperFlow, paperMnist } from '@niceflow/flow'
import type { Recipe } from './recipe.ts'

/** The paper's recipe (section 5.1), its beta2 = 0.01 read as today's 0.99 and its lambda = 1 as no decay of beta1. */
const paper: Recipe = {
  flow: paperMnist,
  training: {
    seed: 0,
    epochs: 1500,
    batchSize: 200,
    learningRate: 1e-3,
    schedule: 'constant',
    finalLearningRate: 0,
    warmup: 0,
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-4,
    weightDecay: 0,
    scaleRate: 1,
    scaleInit: 'data',
    couplingInit: 'identity',
    clip: 0,
    averaging: 0,
    dropout: 0,
    dequantization: 'independent',
    imageShift: 0,
    plainEpochs: 0,
    validation: 10_000,
    patience: 0,
    saveEvery: 0,
    stepsPerRun: 50,
  },
}

/** The defaults of a PyTorch port of the paper's model: what a flag is when neither it nor a preset is given. */
const pytorch: Recipe = { ...paper, training: { ...paper.training, epochs: 50, beta2: 0.999, saveEvery: 5 } }

/**
 * PyTorch's masked form, its slips mended: networks of 6 linear layers between masks that silence half of what they take and give (which is not
 * computed here), the other half first, and all of its training, down to the noise that a batch shares.
 */
const masked: Recipe = {
  flow: { ...paper.flow, start: 'second', activation: 'leaky-relu', leak: 0.2 },
  training: {
    ...paper.training,
    epochs: 75,
    batchSize: 256,
    beta2: 0.999,
    epsilon: 1e-8,
    scaleInit: 'normal',
    couplingInit: 'masked',
    dequantization: 'shared',
    validation: 0,
    saveEvery: 5,
  },
}

/**
 * The same model in minutes: shifts measured in deviations of the data (most pixels hardly vary, and steps of equal size would drown them in
 * noise), a quicker s, Adam's epsilon too small to hold it back, and a learning rate four times the paper's that warm-up makes bearable and a
 * cosine takes back.
 */
const quick: Recipe = {
  flow: { ...paper.flow, shiftUnit: 'deviation' },
  training: {
    ...paper.training,
    epochs: 4,
    learningRate: 4e-3,
    schedule: 'cosine',
    warmup: 1,
    epsilon: 1e-8,
    weightDecay: 0.5,
    scaleRate: 10,
  },
}

/**
 * The same model as far as an hour takes it. By then it would know its examples by heart: so it sees them moved by a pixel, until the rate has
 * fallen and the last epochs show it digits where they will be.
 */
const best: Recipe = {
  ...quick,
  training: { ...quick.training, epochs: 76, learningRate: 2e-3, weightDecay: 0.25, imageShift: 1, plainEpochs: 20 },
}

/**
 * Beyond the paper: affine couplings of standardised logits and a Gaussian prior, as later flows have them (Dinh et al. 2017; Papamakarios et
 * al. 2017).
 */
const affine: Recipe = {
  flow: {
    ...paper.flow,
    law: 'affine',
    couplings: 10,
    hiddenLayers: 2,
    preprocessing: [{ kind: 'logit', alpha: 1e-6 }, { kind: 'standardize' }],
    prior: 'gaussian',
  },
  training: { ...quick.training, epochs: 50, learningRate: 7e-4, warmup: 0, epsilon: 1e-4, scaleRate: 1 },
}

/**
 * Beyond the paper: couplings that give each moved dimension a histogram of its own, which says "black" exactly, and partitions by one binary
 * digit of the index after another, so that every pixel comes to depend on its neighbours. Small enough that eight bits a weight make 20 MB.
 */
const histogram: Recipe = {
  flow: {
    ...paper.flow,
    law: 'histogram',
    bins: 10,
    partition: 'dyadic',
    couplings: 8,
    hiddenLayers: 2,
    hiddenDim: 512,
    preprocessing: [
      { kind: 'equalize', bins: 10 },
      { kind: 'logit', alpha: 1e-6 },
    ],
  },
  training: { ...quick.training, epochs: 12, learningRate: 1e-3, scaleRate: 1 },
}

/**
 * A model for a few dimensions or a few seconds, a page's say: some ten thousand parameters for points of a plane, less than a million for
 * MNIST. Of few examples none are held out.
 */
const small: Recipe = {
  flow: {
    ...paper.flow,
    law: 'affine',
    couplings: 8,
    hiddenLayers: 2,
    hiddenDim: 64,
    preprocessing: [{ kind: 'standardize' }],
    prior: 'gaussian',
  },
  training: { ...quick.training, epochs: 20, batchSize: 100, learningRate: 3e-3, warmup: 0, scaleRate: 1, validation: 0, stepsPerRun: 10 },
}

/**
 * For points of a plane and tables of some dozens of columns: splines, whose densities may have any number of peaks, and partitions by one binary
 * digit of the index after another, so that what few columns say of a row is soon known to all.
 */
const table: Recipe = {
  flow: { ...small.flow, law: 'spline', bins: 8, partition: 'dyadic' },
  training: { ...small.training, epochs: 20, batchSize: 500, learningRate: 4e-3, weightDecay: 0, validation: 1000, stepsPerRun: 20 },
}

/** Recipes by name, as data. */
export const presets: Readonly<
  Record<'pytorch' | 'masked' | 'paper' | 'quick' | 'best' | 'affine' | 'histogram' | 'small' | 'table', Recipe>
> = {
  pytorch,
  masked,
  paper,
  quick,
  best,
  affine,
  histogram,
  small,
  table,
}
export type PresetName = keyof typeof presets
/** The recipe where none is named: for images, and for tables of numbers. */
export const defaultPreset: PresetName = 'pytorch'
export const tablePreset: PresetName = 'table'

/** A preset's recipe for a dataset: of the paper's, `paper` has the paper's own model of each. */
export function presetFor(preset: PresetName, dataset: string): Recipe {
  return preset === 'paper' ? { ...paper, flow: paperFlow(dataset) } : presets[preset]
}
