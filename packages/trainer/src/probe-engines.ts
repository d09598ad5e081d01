import { fillUniform, NiceflowError, streamKey, type Tensor, tensor } from '@niceflow/core'
import { presets, resolveRecipe, startFrom } from '@niceflow/engine'
import { evaluationGraph, nice, type ParameterValues, ports } from '@niceflow/flow'
import { evaluate } from '@niceflow/graph'
import type { NodeDevice } from '@niceflow/runtime-node'
import { type EngineName, engineDevices, engineNames, modelOf } from './engine-calls.ts'
import { makeSpecified } from './open-engine.ts'

/** Whether an engine trains on a device here, and where not, why and what would help. */
export type EngineReport = {
  readonly engine: EngineName
  readonly device: NodeDevice
  readonly usable: boolean
  /** The largest error of a log-likelihood, nats. */
  readonly error?: number
  readonly reason?: string
  readonly remedy?: string
}

const recipe = resolveRecipe(presets.paper, { flow: { couplings: 2, hiddenLayers: 2, hiddenDim: 32, shiftUnit: 'one' } }, 4)
const flow = nice(recipe.flow)
const examples = 8

/** Nats. Rounding of float32 comes to a millionth of log-likelihoods of some ten; factors of ten bits, as TF32 has them, to a thousandth. */
export const probeTolerance = 1e-4

export type Problem = {
  readonly parameters: ParameterValues
  /** [examples, dim] */
  readonly x: Tensor<'float32'>
  /** log p(x) in float64, nats. */
  readonly expected: Float64Array
}

/** A tiny flow with weights from [-1, 1), and examples. */
export function probeProblem(): Problem {
  const drawn = (dims: readonly number[], at: number): Tensor<'float32'> => {
    const values = tensor('float32', dims)
    fillUniform(streamKey(0, 'probe', at), values.data)
    return values
  }
  const signed = ({ data, ...rest }: Tensor<'float32'>): Tensor<'float32'> => ({ ...rest, data: data.map((u) => 2 * u - 1) })
  const parameters = Object.fromEntries(flow.parameters.map(({ name, dims }, i) => [name, signed(drawn(dims, i + 1))]))
  const x = drawn([examples, flow.config.dim], 0)
  const { [ports.logLikelihood]: scores } = evaluate(evaluationGraph(flow), { [ports.data]: x, ...parameters })
  return { parameters, x, expected: Float64Array.from(scores!.data) }
}

/** Makes every engine on every device score a tiny flow and take a step of training, and compares with the float64 reference. */
export async function probeEngines(): Promise<EngineReport[]> {
  const problem = probeProblem()
  const reports: EngineReport[] = []
  for (const engine of engineNames) for (const device of engineDevices[engine]) reports.push(await probe({ engine, device }, problem))
  return reports
}

async function probe(which: Pick<EngineReport, 'engine' | 'device'>, { parameters, x, expected }: Problem): Promise<EngineReport> {
  try {
    const { arrays, constants } = startFrom(flow, modelOf({ recipe, constants: {} }).optimizer, parameters)
    const engine = await makeSpecified({ ...which, recipe, constants })
    try {
      await engine.load({ step: 0, arrays })
      const scores = await engine.logLikelihood(x)
      const [mean] = await engine.train({ x: { ...x, dims: [1, ...x.dims] }, learningRates: [recipe.training.learningRate] })
      const expectedMean = expected.reduce((sum, value) => sum + value, 0) / examples
      const error = Math.max(Math.abs(mean! - expectedMean), ...expected.map((value, i) => Math.abs(value - scores[i]!)))
      if (error <= probeTolerance) return { ...which, usable: true, error }
      const reason = `wrong numbers: a log-likelihood is off by ${error} nats, where ${probeTolerance} is what float32 may be`
      return {
        ...which,
        usable: false,
        error,
        reason,
        remedy: 'use another device; a GPU that rounds factors to TF32 needs NVIDIA_TF32_OVERRIDE=0',
      }
    } finally {
      await engine.dispose()
    }
  } catch (error) {
    if (!NiceflowError.is(error)) throw error
    const reason = 'reason' in error ? String(error.reason) : error.message
    return { ...which, usable: false, reason, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) }
  }
}
