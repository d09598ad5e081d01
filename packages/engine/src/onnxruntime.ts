import { sizeOf, type Tensor } from '@niceflow/core'
import { evaluationGraph, layoutOf, nextName, ports, type StateArray, trainingGraph } from '@niceflow/flow'
import { encodeModel, type Graph } from '@niceflow/graph'
import type { Session } from '@niceflow/runtime'
import type { Engine, EngineModel, TrainingState } from './engine.ts'
import { loaded, scalarsOf } from './steps.ts'

/** Opens a model's bytes as a session; the host (Node, a browser) brings it, and knows the device. */
export type OpenSession = (model: Uint8Array, use: 'training' | 'evaluation') => Promise<Session>

/**
 * Steps in a turn of the Loop. ONNX Runtime overwrites arrays within a turn and never those that a turn takes or leaves, so that of five steps
 * one writes the state to memory that no cache holds. Five divide the presets' runs: steps that are left over are turns of a second Loop, for
 * which the first one's state is held once more.
 */
export const stepsPerTurn = 5
/** A state of a few megabytes is soon copied; there a graph of a fifth of the size matters more, which opens sooner. */
const stepsIn = (arrays: readonly StateArray[]): number =>
  arrays.reduce((sum, { dims }) => sum + sizeOf(dims), 0) > few ? stepsPerTurn : 1
/** Numbers of a state, 16 MB. */
const few = 2 ** 22

export type LoopOptions = {
  /** Whether the device is a GPU: it gets few long arrays, and no turns of several steps, whose integers ONNX Runtime would leave to the CPU. @default false */
  readonly gpu?: boolean
}

/** Trains inside a stock ONNX Runtime: K steps of the training graph are one `session.run`. */
export async function onnxRuntimeEngine(model: EngineModel, openSession: OpenSession, { gpu = false }: LoopOptions = {}): Promise<Engine> {
  const { flow, optimizer, constants, dropout = 0 } = model
  const open = (graph: Graph, use: 'training' | 'evaluation'): Promise<Session> => openSession(encodeModel({ graph, metadata: {} }), use)
  const layout = layoutOf(flow, optimizer, gpu)
  const { groups, arrays } = layout
  const unrolled = gpu ? 1 : stepsIn(arrays)
  const training = await open(trainingGraph(flow, optimizer, { dropout, unrolled, joined: gpu }), 'training')
  const evaluation = await open(evaluationGraph(flow, groups), 'evaluation').catch(async (error: unknown) => {
    await training.dispose()
    throw error
  })
  let held: TrainingState | undefined

  return {
    name: 'onnxruntime',
    device: training.device,
    load: async ({ step, arrays }) => {
      held = { step, arrays: layout.join(arrays) }
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
    state: async () => {
      const { step, arrays } = loaded(held)
      return { step, arrays: layout.split(arrays) }
    },
    logLikelihood: async (x) => {
      const parameters = layout.parameters(loaded(held).arrays, constants)
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
