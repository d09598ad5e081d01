import { type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { stepsAtOnce } from './parts/loss-curve.tsx'
import { told } from './state.ts'
import type { DeviceChoice } from './worker/flow-methods.ts'
import { connect, type Remote } from './worker/rpc.ts'
import type { TrainedPicture, TrainMethods } from './worker/train-methods.ts'

/** A training that the page looks at while it goes on. The page asks for a few steps at a time, so pausing is not asking. */
export type Training = {
  readonly running: ReadonlySignal<boolean>
  readonly step: ReadonlySignal<number>
  /** The mean of each few steps, nats. */
  readonly losses: ReadonlySignal<readonly number[]>
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

const side = 70
const samples = 1500
/** By then the learning rate is a hundredth, and nothing moves that one could see. */
const lastStep = 6000

const deviceNames: Readonly<Record<string, string>> = { wasm: 'on WebAssembly', webgpu: 'on WebGPU' }

export function trainingSession(): Training {
  const [running, step, losses] = [signal(false), signal(0), signal<readonly number[]>([])]
  const [milliseconds, parameters, where] = [signal<number>(), signal<number>(), signal<string>()]
  const picture: Signal<(TrainedPicture & { readonly side: number }) | undefined> = signal(undefined)
  const failure: Training['failure'] = signal(undefined)
  let worker: Remote<TrainMethods> | undefined
  // A training that was reset may still have an answer under way: it is not for the next one.
  let current = {}
  let started = false

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

  const loop = async (points: Float32Array, seed: number, device: DeviceChoice): Promise<void> => {
    const mine = current
    const stale = (): boolean => mine !== current || !running.value
    worker ??= open()
    if (!started) {
      const { value } = await worker.call('start', { points, seed, device })
      if (stale()) return
      started = true
      parameters.value = value.parameters
      where.value = deviceNames[value.device]
    }
    while (!stale() && step.value < lastStep) {
      await visible()
      const advanced = await worker.call('advance', { steps: stepsAtOnce })
      if (mine !== current) return
      const { logLikelihood } = advanced.value
      step.value = advanced.value.step
      milliseconds.value = advanced.milliseconds / stepsAtOnce
      losses.value = [...losses.value, -logLikelihood.reduce((sum, nats) => sum + nats, 0) / stepsAtOnce]
      const { value } = await worker.call('picture', { side, samples })
      if (mine !== current) return
      picture.value = { ...value, side }
    }
    running.value = false
  }

  return {
    ...{ running, step, losses, milliseconds, parameters, where, picture, failure },
    run(points, seed, device) {
      running.value = true
      failure.value = undefined
      loop(points, seed, device).catch((error: unknown) => {
        running.value = false
        failure.value = told(error)
      })
    },
    pause() {
      running.value = false
    },
    reset() {
      current = {}
      started = false
      running.value = false
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
