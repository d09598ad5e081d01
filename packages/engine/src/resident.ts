import { rows, type Tensor } from '@niceflow/core'
import { evaluationGraph, layoutOf, nextName, ports, type StateArray, trainingStepGraph } from '@niceflow/flow'
import { buildGraph, encodeModel, type Graph } from '@niceflow/graph'
import type { DeviceTensor, ResidentSession } from '@niceflow/runtime'
import type { Engine, EngineModel } from './engine.ts'
import { loaded, scalarsOf } from './steps.ts'

/** Opens a model's bytes as a session whose named outputs stay in the device's memory. */
export type OpenResidentSession = (model: Uint8Array, resident: readonly string[]) => Promise<ResidentSession>

type Values = Readonly<Record<string, Tensor | DeviceTensor>>

/**
 * Trains inside a stock ONNX Runtime on a device that has no Loop, as WebGPU: a step is a run, and what it leaves in the device's memory is
 * fed to the next, so that a step moves its batch alone, whatever the size of the model.
 */
export async function residentEngine(
  { flow, optimizer, constants, dropout = 0 }: EngineModel,
  openSession: OpenResidentSession,
): Promise<Engine> {
  const layout = layoutOf(flow, optimizer, true)
  const { groups, arrays } = layout
  const opened: ResidentSession[] = []
  const open = async (graph: Graph, resident: readonly string[] = []): Promise<ResidentSession> => {
    const session = await openSession(encodeModel({ graph, metadata: {} }), resident)
    opened.push(session)
    return session
  }
  const dispose = async (): Promise<void> => {
    for (const session of opened.splice(0)) await session.dispose()
  }
  const stays = [...arrays.map(({ name }) => nextName(name)), ports.logLikelihood]
  const sessions = async () => ({
    step: await open(trainingStepGraph(flow, optimizer, { dropout, joined: true }), stays),
    evaluation: await open(evaluationGraph(flow, groups)),
    states: await open(copies(arrays)),
    scalars: await open(copies([{ name: ports.logLikelihood, dims: [] }])),
  })
  const { step, evaluation, states, scalars } = await sessions().catch(async (error: unknown) => {
    await dispose()
    throw error
  })
  let held: { readonly step: number; readonly values: Values } | undefined

  return {
    name: 'onnxruntime',
    device: step.device,
    load: async ({ step, arrays }) => {
      free(held?.values ?? {})
      held = { step, values: layout.join(arrays) }
    },
    train: async (run) => {
      const { step: done } = loaded(held)
      const given = { [ports.data]: run.x, ...run.draws, ...scalarsOf(optimizer, done, run) }
      const logLikelihoods: DeviceTensor[] = []
      for (let k = 0; k < run.learningRates.length; k++) {
        const { values } = loaded(held)
        const { resident } = await step.runResident(usedBy(step, { ...stepOf(given, k), ...constants, ...values }))
        const next = Object.fromEntries(arrays.map(({ name }) => [name, resident[nextName(name)]!]))
        free(values)
        held = { step: done + k + 1, values: next }
        logLikelihoods.push(resident[ports.logLikelihood]!)
      }
      const nats: number[] = []
      for (const value of logLikelihoods) {
        const { values } = await scalars.runResident({ [ports.logLikelihood]: value })
        nats.push(Number(values[copyName(ports.logLikelihood)]!.data[0]))
        value.dispose()
      }
      return Float32Array.from(nats)
    },
    state: async () => {
      const { step, values } = loaded(held)
      const copied = (await states.runResident(usedBy(states, values))).values
      const next = arrays.map(({ name }) => [name, copied[copyName(name)] as Tensor<'float32'>] as const)
      return { step, arrays: layout.split(Object.fromEntries(next)) }
    },
    logLikelihood: async (x) => {
      const parameters: Values = layout.parameters<Tensor | DeviceTensor>(loaded(held).values, constants)
      const { values } = await evaluation.runResident(usedBy(evaluation, { [ports.data]: x, ...parameters }))
      return values[ports.logLikelihood]!.data as Float32Array
    },
    dispose: async () => {
      free(held?.values ?? {})
      held = undefined
      await dispose()
    },
  }
}

/** A graph that gives each of its inputs back: on the host, what is on the device. */
function copies(arrays: readonly StateArray[]): Graph {
  const g = buildGraph('copies')
  for (const { name, dims } of arrays) g.output(copyName(name), g.Identity(g.input(name, 'float32', dims)))
  return g.build()
}

const copyName = (name: string): string => `copy/${name}`

/** What a run gives its step of a number: a row of each tensor. */
function stepOf(given: Readonly<Record<string, Tensor>>, k: number): Values {
  return Object.fromEntries(
    Object.entries(given).map(([name, all]) => {
      const row = rows(all as Tensor<'float32'>, k, k + 1)
      return [name, { ...row, dims: row.dims.slice(1) }]
    }),
  )
}

/** The tensors that a graph asks for, out of more. */
function usedBy(session: ResidentSession, values: Values): Values {
  return Object.fromEntries(session.inputNames.filter((name) => values[name]).map((name) => [name, values[name]!]))
}

function free(values: Values): void {
  for (const value of Object.values(values)) if ('dispose' in value) value.dispose()
}
