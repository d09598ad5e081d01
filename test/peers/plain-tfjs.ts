import { loadTensorflow } from '@niceflow/runtime-node'
import type * as tfjs from '@tensorflow/tfjs-core'
import { type Competitor, serve } from './competitor.ts'
import { readProblem, recipe } from './problem.ts'

/** NICE as one writes it in TensorFlow.js: `plain-tfjs.ts cpu FOLDER`. Variables, `variableGrads` and the library's Adam. */

const [device, folder] = process.argv.slice(2) as ['cpu' | 'cuda', string]
const { tf, gpu } = loadTensorflow()
if (device === 'cuda' && !gpu) throw new Error('TensorFlow found no CUDA GPU that it can use')
const { parameters, x, scoring } = readProblem(folder)
const { couplings, hiddenLayers } = recipe.flow
const { learningRate, beta1, beta2, epsilon } = recipe.training
const [batches, batch, dim] = x.dims as [number, number, number]

const start = Object.entries(parameters).map(([name, { dims, data }]) => [name, tf.tensor(data, [...dims])] as const)
const variables = new Map(start.map(([name, value]) => [name, tf.variable(value)]))
const weight = (name: string): tfjs.Variable => variables.get(name)!

function network(name: string, input: tfjs.Tensor2D): tfjs.Tensor2D {
  let h = input
  for (let layer = 1; layer <= hiddenLayers + 1; layer++) {
    const [w, b] = [weight(`${name}/layer_${layer}/weight`), weight(`${name}/layer_${layer}/bias`)]
    const linear = tf.add(tf.matMul(h, w as unknown as tfjs.Tensor2D), b)
    h = (layer > hiddenLayers ? linear : tf.relu(linear)) as tfjs.Tensor2D
  }
  return h
}

/** log p(x) of each row: the halves are taken apart once, as every coupling moves one by the other. */
function logLikelihood(input: tfjs.Tensor): tfjs.Tensor1D {
  const halves = tf.unstack(tf.reshape(input, [-1, dim / 2, 2]), 2) as tfjs.Tensor2D[]
  for (let k = 1; k <= couplings; k++) {
    const [passes, moves] = k % 2 ? [0, 1] : [1, 0]
    halves[moves] = tf.add(halves[moves]!, network(`coupling_${k}`, halves[passes]!))
  }
  const logScale = weight('scaling/log_scale')
  const z = tf.mul(tf.reshape(tf.stack(halves, 2), [-1, dim]), tf.exp(logScale))
  const prior = tf.sum(tf.neg(tf.add(tf.softplus(z), tf.softplus(tf.neg(z)))), 1)
  return tf.add(prior, tf.sum(logScale))
}

let optimizer = tf.train.adam(learningRate, beta1, beta2, epsilon)
const inputs = tf.unstack(tf.tensor3d(x.data, [batches, batch, dim]))
const scored = tf.tensor2d(scoring.data, scoring.dims as [number, number])

function step(input: tfjs.Tensor): tfjs.Scalar {
  const { value, grads } = tf.variableGrads(() => tf.neg(tf.mean(logLikelihood(input))) as tfjs.Scalar)
  optimizer.applyGradients(Object.entries(grads).map(([name, tensor]) => ({ name, tensor })))
  tf.dispose(grads)
  return value
}

const competitor: Competitor = {
  check: async () => {
    for (const [name, value] of start) weight(name).assign(value)
    optimizer.dispose()
    optimizer = tf.train.adam(learningRate, beta1, beta2, epsilon)
    const first = tf.tidy(() => tf.mean(logLikelihood(inputs[0]!)))
    const losses = inputs.map((input) => -step(input).dataSync()[0]!)
    return { logLikelihood: first.dataSync()[0]!, losses }
  },
  train: async (steps) => {
    for (let k = 0; k < steps; k++) {
      const value = step(inputs[k % batches]!)
      await value.data()
      value.dispose()
    }
  },
  score: async (times) => {
    for (let i = 0; i < times; i++) {
      const scores = tf.tidy(() => logLikelihood(scored))
      await scores.data()
      scores.dispose()
    }
  },
}
await serve(competitor)
