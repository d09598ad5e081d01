import type { Tensor } from '@niceflow/core'
import { evaluationGraph, layoutOf, nextName, type ParameterValues, ports, trainingGraph } from '@niceflow/flow'
import { type Graph, interpret } from '@niceflow/graph'
import type { Device } from '@niceflow/runtime'
import type * as tfjs from '@tensorflow/tfjs-core'
import type { Engine, EngineModel } from './engine.ts'
import { loaded, scalarsOf } from './steps.ts'
import { tfjsKernels } from './tfjs-kernels.ts'
import { placed, type Tensorflow, type TfjsValue } from './tfjs-value.ts'

type Values = Readonly<Record<string, TfjsValue>>

/**
 * Trains by interpreting the graphs on TensorFlow.js. State and constants stay on the device; what a run brings and gives moves.
 * @param tf the module with the backend that is to compute
 * @param device that of the backend
 * @param joined whether it holds few long arrays, as for a GPU
 */
export function tfjsEngine(
  tf: Tensorflow,
  { flow, optimizer, constants, dropout = 0 }: EngineModel,
  device: Device,
  joined: boolean = device === 'cuda',
): Engine {
  const table = tfjsKernels(tf)
  const layout = layoutOf(flow, optimizer, joined)
  const { groups, arrays } = layout
  const training = trainingGraph(flow, optimizer, { dropout, joined })
  const evaluation = evaluationGraph(flow, groups)
  const upload = (tensors: Readonly<Record<string, Tensor>>): Values =>
    Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, placed(tf, tensor)]))
  const free = (values: Values): void => Object.values(values).forEach(table.release)
  const fixed = upload(constants)
  let held: { readonly step: number; readonly values: Values } | undefined

  /** A graph's outputs, of values that stay and of tensors that are there for this run alone. */
  const run = (graph: Graph, staying: Values, tensors: Readonly<Record<string, Tensor>>): Values => {
    const brought = upload(tensors)
    try {
      return interpret(graph, usedBy(graph, { ...brought, ...staying }), table)
    } finally {
      free(brought)
    }
  }

  return {
    name: 'tfjs',
    device,
    load: async ({ step, arrays }) => {
      free(held?.values ?? {})
      held = { step, values: upload(layout.join(arrays)) }
    },
    train: async (given) => {
      const { step, values } = loaded(held)
      const { x, draws, learningRates } = given
      const outputs = run(training, { ...fixed, ...values }, { [ports.data]: x, ...draws, ...scalarsOf(optimizer, step, given) })
      const next = arrays.map(({ name }) => [name, outputs[nextName(name)]!] as const)
      free(values)
      held = { step: step + learningRates.length, values: Object.fromEntries(next) }
      return take(outputs[ports.logLikelihood]!)
    },
    state: async () => {
      const { step, values } = loaded(held)
      const downloaded = await Promise.all(
        arrays.map(async ({ name, dims }) => [name, { dtype: 'float32', dims, data: await read(values[name]!.tensor!) }] as const),
      )
      return { step, arrays: layout.split(Object.fromEntries(downloaded) as ParameterValues) }
    },
    logLikelihood: async (x) => {
      const { values } = loaded(held)
      const parameters = layout.parameters(values, fixed)
      return take(run(evaluation, parameters, { [ports.data]: x })[ports.logLikelihood]!)
    },
    dispose: async () => {
      free(held?.values ?? {})
      free(fixed)
      table.dispose()
      held = undefined
    },
  }

  async function take(value: TfjsValue): Promise<Float32Array> {
    const numbers = await read(value.tensor!)
    table.release(value)
    return numbers
  }
}

/** A copy: what a backend gives may be its own memory. */
async function read(tensor: tfjs.Tensor): Promise<Float32Array<ArrayBuffer>> {
  return new Float32Array((await tensor.data()) as Float32Array)
}

/** The values that a graph asks for, out of more: a state holds moments too, and not every graph needs every constant. */
function usedBy(graph: Graph, values: Values): Values {
  return Object.fromEntries(graph.inputs.flatMap(({ name }) => (values[name] ? [[name, values[name]]] : [])))
}
