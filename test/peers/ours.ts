import { rows, type Tensor, tensor } from '@niceflow/core'
import { encoderGraph, nice, ports } from '@niceflow/flow'
import { encodeModel } from '@niceflow/graph'
import { openSession } from '@niceflow/runtime-node'
import { makeEngine, optimizerOf, startFrom } from '@niceflow/trainer'
import { type Competitor, serve } from './competitor.ts'
import { readProblem, recipe } from './problem.ts'

/** An engine of ours, by its name: `ours.ts onnxruntime cpu FOLDER THREADS`. */

const [engineName, device, folder, threads] = process.argv.slice(2) as ['onnxruntime' | 'tfjs', 'cpu' | 'cuda', string, string]
const { parameters, x, scoring } = readProblem(folder)
const flow = nice(recipe.flow)
const { arrays, constants } = startFrom(flow, optimizerOf(recipe.training), parameters)
const engine = await makeEngine({ engine: engineName, device, threads: Number(threads), recipe, constants })
const [batches, batch, dim] = x.dims as [number, number, number]
const rates = (steps: number): Float64Array => new Float64Array(steps).fill(recipe.training.learningRate)

/**
 * Scores as users do: in ONNX Runtime by the encoder as it is exported, whose weights are constants and so packed when it is opened; in the
 * interpreter by its variables, as there is no other way there.
 */
async function scorer(): Promise<(x: Tensor<'float32'>) => Promise<Float32Array>> {
  if (engineName === 'tfjs') return (x) => engine.logLikelihood(x)
  const encoder = encodeModel({ graph: encoderGraph(flow, parameters), metadata: {} })
  const session = await openSession(encoder, { device, threads: Number(threads) })
  return async (x) => (await session.run({ [ports.data]: x }, [ports.logLikelihood]))[ports.logLikelihood]!.data as Float32Array
}
const logLikelihood = await scorer()

const competitor: Competitor = {
  check: async () => {
    await engine.load({ step: 0, arrays })
    const scores = await logLikelihood({ ...rows(x, 0, 1), dims: [batch, dim] })
    const losses = [...(await engine.train({ x, learningRates: rates(batches) }))]
    return { logLikelihood: scores.reduce((sum, nats) => sum + nats, 0) / batch, losses }
  },
  train: async (steps) => {
    const taken = tensor('float32', [steps, batch, dim])
    for (let k = 0; k < steps; k++) taken.data.set(rows(x, k % batches, (k % batches) + 1).data, k * batch * dim)
    await engine.train({ x: taken, learningRates: rates(steps) })
  },
  score: async (times) => {
    for (let i = 0; i < times; i++) await logLikelihood(scoring)
  },
}
await serve(competitor)
