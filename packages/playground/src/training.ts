import { type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Loss } from './parts/loss-curve.tsx'
import { told } from './state.ts'
import type { DeviceChoice } from './worker/flow-methods.ts'
import { connect, type Remote } from './worker/rpc.ts'
import type { TrainedPicture, TrainMethods } from './worker/train-methods.ts'

/** A training that the page looks at while it goes on. The page asks for a few steps at a time, so pausing is not asking. */
export type Training = {
  readonly running: ReadonlySignal<boolean>
  readonly step: ReadonlySignal<number>
  readonly losses: ReadonlySignal<readonly Loss[]>
  /** Of a step, as the last few took. */
  readonly milliseconds: ReadonlySignal<number | undefined>
  readonly parameters: ReadonlySignal<number | undefined>
  readonly where: ReadonlySignal<string | undefined>
  readonly picture: ReadonlySignal<(TrainedPicture & { readonly side: number }) | undefined>
  readonly failure: Signal<{ readonly message: string; readonly remedy: string | undefined } | undefined>
  /** Starts, or goes on. */
  run(points: Float32Array, seed: number, device: DeviceChoice): void
  pause(): void
  reset(): void
}

/** Steps between two looks at the flow. */
const stepsAtOnce = 20
const side = 70
const samples = 1500

const deviceNames: Readonly<Record<string, string>> = { wasm: 'on WebAssembly', webgpu: 'on WebGPU' }

export function trainingSession(): Training {
  const [running, step, losses] = [signal(false), signal(0), signal<readonly Loss[]>([])]
  const [milliseconds, parameters, where] = [signal<number>(), signal<number>(), signal<string>()]
  const picture: Signal<(TrainedPicture & { readonly side: number }) | undefined> = signal(undefined)
  const failure: Training['failure'] = signal(undefined)
  let worker: Remote<TrainMethods> | undefined
  // What was paused or reset may still have an answer under way, which is not for what goes on then.
  let current = {}
  let started = false
  const stop = (): void => {
    current = {}
    running.value = false
  }

  const open = (): Remote<TrainMethods> => {
    const thread = new Worker(new URL('./worker/train-worker.ts', import.meta.url), { type: 'module' })
    const remote = connect<TrainMethods>(thread)
    thread.addEventListener('error', (event) => {
      event.preventDefault()
      thread.terminate()
      worker = undefined
      started = false
      remote.fail({ name: 'Error', message: `the worker stopped: ${event.message || 'its code could not be loaded'}` })
    })
    return remote
  }

  const loop = async (mine: object, points: Float32Array, seed: number, device: DeviceChoice): Promise<void> => {
    worker ??= open()
    if (!started) {
      const { value } = await worker.call('start', { points, seed, device })
      if (mine !== current) return
      started = true
      parameters.value = value.parameters
      where.value = deviceNames[value.device]
    }
    while (mine === current) {
      await visible()
      const { value: reached, milliseconds: time } = await worker.call('advance', { steps: stepsAtOnce })
      if (mine !== current) return
      if (!reached) break
      milliseconds.value = time / (reached.step - step.value)
      step.value = reached.step
      losses.value = [...losses.value, { step: reached.step, nats: -reached.logLikelihood }]
      const { value } = await worker.call('picture', { side, samples })
      if (mine !== current) return
      picture.value = { ...value, side }
    }
    stop()
  }

  return {
    ...{ running, step, losses, milliseconds, parameters, where, picture, failure },
    run(points, seed, device) {
      const mine = {}
      current = mine
      running.value = true
      failure.value = undefined
      loop(mine, points, seed, device).catch((error: unknown) => {
        if (mine !== current) return
        stop()
        failure.value = told(error)
      })
    },
    pause: stop,
    reset() {
      stop()
      started = false
      step.value = 0
      losses.value = []
      milliseconds.value = undefined
      picture.value = undefined
      failure.value = undefined
    },
  }
}

/** Waits until the page is looked at: what nobody sees need not be computed. */
function visible(): Promise<void> {
  return new Promise((resolve) => {
    if (!document.hidden) return resolve()
    const look = (): void => {
      if (document.hidden) return
      document.removeEventListener('visibilitychange', look)
      resolve()
    }
    document.addEventListener('visibilitychange', look)
  })
}
