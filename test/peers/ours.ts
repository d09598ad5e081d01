import { rows, tensor } from '@niceflow/core'
import { nice } from '@niceflow/flow'
import { makeEngine, optimizerOf, startFrom } from '@niceflow/trainer'
import { type Competitor, serve } from './competitor.ts'
import { readProblem, recipe } from './problem.ts'

/** An engine of ours, by its name: `ours.ts onnxruntime FOLDER THREADS`. */

const [engineName, folder, threads] = process.argv.slice(2) as ['onnxruntime' | 'tfjs', string, string]
const { parameters, x, scoring } = readProblem(folder)
const { arrays, constants } = startFrom(nice(recipe.flow), optimizerOf(recipe.training), parameters)
const engine = await makeEngine({ engine: engineName, device: 'cpu', threads: Number(threads), recipe, constants })
const [batches, batch, dim] = x.dims as [number, number, number]
const rates = (steps: number): Float64Array => new Float64Array(steps).fill(recipe.training.learningRate)

const competitor: Competitor = {
  check: async () => {
    await engine.load({ step: 0, arrays })
    const scores = await engine.logLikelihood({ ...rows(x, 0, 1), dims: [batch, dim] })
    const losses = [...(await engine.train({ x, learningRates: rates(batches) }))]
    return { logLikelihood: scores.reduce((sum, nats) => sum + nats, 0) / batch, losses }
  },
  train: async (steps) => {
    const taken = tensor('float32', [steps, batch, dim])
    for (let k = 0; k < steps; k++) taken.data.set(rows(x, k % batches, (k % batches) + 1).data, k * batch * dim)
    await engine.train({ x: taken, learningRates: rates(steps) })
  },
  score: async (times) => {
    for (let i = 0; i < times; i++) await engine.logLikelihood(scoring)
  },
}
await serve(competitor)
