import { InvalidValueError, type Tensor, tensor } from '@niceflow/core'
import {
  evaluationGraph,
  type Flow,
  nextName,
  type Optimizer,
  type ParameterValues,
  ports,
  stateArrays,
  type TrainingGraphOptions,
  trainingGraph,
} from '@niceflow/flow'
import { encodeModel, type Graph } from '@niceflow/graph'
import type { Session } from '@niceflow/runtime'
import type { Engine, TrainingRun, TrainingState } from './engine.ts'

/** Opens a model's bytes as a session; the host (Node, a browser) brings it, and knows the device. */
export type OpenSession = (model: Uint8Array, use: 'training' | 'evaluation') => Promise<Session>

/**
 * Trains inside a stock ONNX Runtime: K steps of the training graph are one `session.run`.
 * Non-trainable parameters are given once, in `constants`.
 */
export async function onnxRuntimeEngine(
  flow: Flow,
  optimizer: Optimizer,
  constants: ParameterValues,
  openSession: OpenSession,
  options: TrainingGraphOptions = {},
): Promise<Engine> {
  const open = (graph: Graph, use: 'training' | 'evaluation'): Promise<Session> => openSession(encodeModel({ graph, metadata: {} }), use)
  const training = await open(trainingGraph(flow, optimizer, options), 'training')
  const evaluation = await open(evaluationGraph(flow), 'evaluation').catch(async (error: unknown) => {
    await training.dispose()
    throw error
  })
  const arrays = stateArrays(flow, optimizer)

  const train = async (state: TrainingState, { x, learningRates, draws }: TrainingRun): ReturnType<Engine['train']> => {
    const steps = learningRates.length
    if (x.dims[0] !== steps)
      throw new InvalidValueError({ what: 'learning rates', expected: `one for each of ${x.dims[0]} steps`, got: steps })
    const columns = Array.from({ length: steps }, (_, k) => optimizer.scalarsAt(state.step + k + 1, learningRates[k]!))
    const scalars = optimizer.scalars.map(
      (name, i) =>
        [
          name,
          tensor(
            'float32',
            [steps],
            Float32Array.from(columns, (column) => column[i]!),
          ),
        ] as const,
    )
    const outputs = await training.run(
      usedBy(training, { [ports.data]: x, ...draws, ...Object.fromEntries(scalars), ...constants, ...state.arrays }),
    )
    const next = arrays.map(({ name }) => [name, outputs[nextName(name)] as Tensor<'float32'>] as const)
    return {
      state: { step: state.step + steps, arrays: Object.fromEntries(next) },
      logLikelihood: outputs[ports.logLikelihood]!.data as Float32Array,
    }
  }

  return {
    name: 'onnxruntime',
    device: training.device,
    train,
    logLikelihood: async (parameters, x) => {
      const outputs = await evaluation.run(usedBy(evaluation, { [ports.data]: x, ...constants, ...parameters }))
      return outputs[ports.logLikelihood]!.data as Float32Array
    },
    dispose: async () => {
      await training.dispose()
      await evaluation.dispose()
    },
  }
}

/** The tensors that a graph asks for, out of more: a state holds moments too, and not every graph needs every constant. */
function usedBy(session: Session, tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(session.inputNames.filter((name) => tensors[name]).map((name) => [name, tensors[name]!]))
}
