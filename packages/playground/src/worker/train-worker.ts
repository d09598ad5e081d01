import { NiceflowError } from '@niceflow/core'
import { type Fit, residentEngine } from '@niceflow/engine'
import { decodingGraph, nice, parameterCount, ports } from '@niceflow/flow'
import { encodeModel } from '@niceflow/graph'
import type { Session } from '@niceflow/runtime'
import { openResidentSession, openSession, type WebSession } from '@niceflow/runtime-web'
import { serve } from './rpc.ts'
import { advance, fitPoints, gridPoints, priorPoints } from './small-flow.ts'
import type { TrainMethods } from './train-methods.ts'

/** The worker that trains a small flow: in a runtime of its own, so that the model of digits is at hand meanwhile. */

/** Products of 128 columns gain nothing from a second thread. */
const openOnCpu = (bytes: Uint8Array): Promise<WebSession> => openSession(bytes, { device: 'wasm', threads: 1 })

type Running = { readonly fit: Fit; readonly decoder: Session; step: number }

let running: Running | undefined

function trained(): Running {
  if (running) return running
  throw new NiceflowError('nothing is in training', { remedy: 'start it' })
}

async function stop(): Promise<void> {
  const stopped = running
  running = undefined
  await stopped?.fit.dispose()
  await stopped?.decoder.dispose()
}

serve<TrainMethods>(self, {
  async start({ points, seed, device }) {
    await stop()
    const fit = await fitPoints(points, seed, {
      open: openOnCpu,
      // A flow this small is done on the CPU before a GPU has been told what to do: it trains there only where that is asked for.
      ...(device === 'webgpu' && {
        makeEngine: (model) => residentEngine(model, (bytes, resident) => openResidentSession(bytes, resident)),
      }),
    })
    const flow = nice(fit.recipe.flow)
    const decoder = await openOnCpu(encodeModel({ graph: decodingGraph(flow), metadata: {} }))
    running = { fit, decoder, step: 0 }
    return { parameters: parameterCount(flow.parameters), device: fit.engine.device }
  },

  async advance({ steps }) {
    const now = trained()
    const reached = await advance(now.fit, steps, now.step)
    now.step = reached?.step ?? now.step
    return reached
  },

  async picture({ side, samples }) {
    const { fit, decoder } = trained()
    const { parameters } = await fit.trained()
    const decoded = await decoder.run({ [ports.latent]: priorPoints(samples), ...parameters })
    return { logDensity: await fit.engine.logLikelihood(gridPoints(side)), samples: decoded[ports.data]!.data as Float32Array }
  },
})
