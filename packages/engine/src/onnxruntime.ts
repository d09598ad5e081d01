import { sizeOf, type Tensor } from '@niceflow/core'
import { evaluationGraph, nextName, parametersOf, ports, type StateArray, stateArrays, trainingGraph } from '@niceflow/flow'
import { encodeModel, type Graph } from '@niceflow/graph'
import type { Session } from '@niceflow/runtime'
import type { Engine, EngineModel, TrainingState } from './engine.ts'
import { loaded, scalarsOf } from './steps.ts'

/** Opens a model's bytes as a session; the host (Node, a browser) brings it, and knows the device. */
export type OpenSession = (model: Uint8Array, use: 'training' | 'evaluation') => Promise<Session>

/**
 * Steps in a turn of the Loop. ONNX Runtime overwrites arrays within a turn and never those that a turn takes or leaves, so that of four steps
 * one writes the state to memory that no cache holds. A state of a few megabytes is soon copied; there a graph of a quarter of the size matters
 * more, which opens in a tenth of the time.
 */
const unrolledFor = (arrays: readonly StateArray[]): number => (arrays.reduce((sum, { dims }) => sum + sizeOf(dims), 0) > few ? 4 : 1)
/** Numbers of a state, 16 MB. */
const few = 2 ** 22

/**
 * Trains inside a stock ONNX Runtime: K steps of the training graph are one `session.run`.
 * @param unrolled steps in a turn of the Loop: 1 for a device other than the CPU, whose caches are what more of them serve and which cannot count them
 */
export async function onnxRuntimeEngine(model: EngineModel, openSession: OpenSession, unrolled?: number): Promise<Engine> {
  const { flow, optimizer, constants, dropout = 0 } = model
  const open = (graph: Graph, use: 'training' | 'evaluation'): Promise<Session> => openSession(encodeModel({ graph, metadata: {} }), use)
  const arrays = stateArrays(flow, optimizer)
  const training = await open(trainingGraph(flow, optimizer, { dropout, unrolled: unrolled ?? unrolledFor(arrays) }), 'training')
  const evaluation = await open(evaluationGraph(flow), 'evaluation').catch(async (error: unknown) => {
    await training.dispose()
    throw error
  })
  let held: TrainingState | undefined

  return {
    name: 'onnxruntime',
    device: training.device,
    load: async (state) => {
      held = state
    },
    train: async (run) => {
      const { step, arrays: before } = loaded(held)
      const { x, draws, learningRates } = run
      const outputs = await training.run(
        usedBy(training, { [ports.data]: x, ...draws, ...scalarsOf(optimizer, step, run), ...constants, ...before }),
      )
      const next = arrays.map(({ name }) => [name, outputs[nextName(name)] as Tensor<'float32'>] as const)
      held = { step: step + learningRates.length, arrays: Object.fromEntries(next) }
      return outputs[ports.logLikelihood]!.data as Float32Array
    },
    state: async () => loaded(held),
    logLikelihood: async (x) => {
      const parameters = parametersOf(flow, optimizer, loaded(held).arrays, constants)
      const outputs = await evaluation.run(usedBy(evaluation, { [ports.data]: x, ...parameters }))
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
