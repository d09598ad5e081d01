import { NiceflowError } from '@niceflow/core'
import { type Engine, onnxRuntimeEngine, residentEngine } from '@niceflow/engine'
import { decodingGraph, parameterCount, parametersOf, ports } from '@niceflow/flow'
import { encodeModel } from '@niceflow/graph'
import type { Session } from '@niceflow/runtime'
import { openResidentSession, openSession } from '@niceflow/runtime-web'
import { serve } from './rpc.ts'
import { gridPoints, priorPoints, runOf, startOf } from './small-flow.ts'
import type { TrainMethods } from './train-methods.ts'

/** The worker that trains a small flow: in a runtime of its own, so that the model of digits is at hand meanwhile. */

/** Products of 64 columns gain nothing from a second thread. */
const onCpu = { device: 'wasm', threads: 1 } as const

type Running = Awaited<ReturnType<typeof startOf>> & {
  readonly engine: Engine
  readonly decoder: Session
  readonly points: Float32Array
  readonly seed: number
}

let running: Running | undefined

function trained(): Running {
  if (running) return running
  throw new NiceflowError('nothing is in training', { remedy: 'start it' })
}

async function stop(): Promise<void> {
  const stopped = running
  running = undefined
  await stopped?.engine.dispose()
  await stopped?.decoder.dispose()
}

serve<TrainMethods>(self, {
  async start({ points, seed, device }) {
    await stop()
    const start = await startOf(points, seed)
    const { model, state } = start
    // A flow this small is done on the CPU before a GPU has been told what to do: it trains there only where that is asked for.
    const engine =
      device === 'webgpu'
        ? await residentEngine(model, (bytes, resident) => openResidentSession(bytes, resident))
        : await onnxRuntimeEngine(model, (bytes) => openSession(bytes, onCpu))
    await engine.load(state)
    const decoder = await openSession(encodeModel({ graph: decodingGraph(model.flow), metadata: {} }), onCpu)
    running = { ...start, engine, decoder, points, seed }
    return { parameters: parameterCount(model.flow.parameters), device: engine.device }
  },

  async advance({ steps }) {
    const { engine, points, seed } = trained()
    const { step } = await engine.state()
    return { logLikelihood: await engine.train(runOf(points, seed, step, steps)), step: step + steps }
  },

  async picture({ side, samples }) {
    const { engine, decoder, model } = trained()
    const { arrays } = await engine.state()
    const parameters = parametersOf(model.flow, model.optimizer, arrays, model.constants)
    const feeds = { [ports.latent]: priorPoints(samples), ...parameters }
    const wanted = Object.entries(feeds).filter(([name]) => decoder.inputNames.includes(name))
    const decoded = await decoder.run(Object.fromEntries(wanted))
    return { logDensity: await engine.logLikelihood(gridPoints(side)), samples: decoded[ports.data]!.data as Float32Array }
  },
})
