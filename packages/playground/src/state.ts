import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { oneOf, setting } from './address.ts'
import type { Digit } from './digits.ts'
import { rasterize, type Stroke } from './draw/strokes.ts'
import { type DeviceChoice, deviceChoices, type FlowFacts, type FlowMethods } from './worker/flow-methods.ts'
import { connect, isAbort, type Remote, RemoteError } from './worker/rpc.ts'

/** What all panels share: the model and how far it is, the digits, and what the reader drew. */

export type Stage =
  | { readonly kind: 'loading'; readonly loaded: number; readonly total: number }
  | { readonly kind: 'ready'; readonly facts: FlowFacts }
  | { readonly kind: 'failed'; readonly message: string; readonly remedy: string | undefined }

export const tabs = ['sample', 'score', 'inpaint', 'between', 'train'] as const
export type Tab = (typeof tabs)[number]
export const tab: Signal<Tab> = setting<Tab>('tab', 'sample', oneOf(tabs))

export const stage: Signal<Stage> = signal({ kind: 'loading', loaded: 0, total: 0 })
/** What was wished for and could not be had, and what was done instead. */
export const notices: Signal<readonly string[]> = signal([])
export const device: Signal<DeviceChoice> = setting<DeviceChoice>('device', 'auto', oneOf(deviceChoices))
export const digits: Signal<readonly Digit[]> = signal([])
export const strokes: Signal<readonly Stroke[]> = signal([])

/** What the reader drew, as the model takes it; none where nothing is drawn. */
export const drawing: ReadonlySignal<Uint8Array | undefined> = computed(() =>
  strokes.value.length > 0 ? rasterize(strokes.value) : undefined,
)

/** Where the bundle lies: beside the page, unless its address says another with `?model=`. */
const modelUrl = (): string => new URL(new URLSearchParams(location.search).get('model') ?? 'models/mnist-nice/', location.href).href

let worker: { readonly thread: Worker; readonly remote: Remote<FlowMethods> } | undefined

/** The worker that owns the flow; a new one where the last one died. */
export function flow(): Remote<FlowMethods> {
  worker ??= open()
  return worker.remote
}

function open(): NonNullable<typeof worker> {
  const thread = new Worker(new URL('./worker/flow-worker.ts', import.meta.url), { type: 'module' })
  const remote = connect<FlowMethods>(thread)
  thread.addEventListener('error', (event) => {
    event.preventDefault()
    const message = `the worker stopped: ${event.message || 'its code could not be loaded'}`
    thread.terminate()
    worker = undefined
    remote.fail({ name: 'Error', message })
    stage.value = { kind: 'failed', message, remedy: 'try again, or load the page anew' }
  })
  return { thread, remote }
}

let loading = new AbortController()

/** Loads the model, for the first time, again after a failure, or for another device. */
export async function load(): Promise<void> {
  loading.abort()
  const mine = new AbortController()
  loading = mine
  stage.value = { kind: 'loading', loaded: 0, total: 0 }
  notices.value = []
  try {
    const { value } = await flow().call(
      'load',
      { url: modelUrl(), device: device.value },
      {
        signal: mine.signal,
        onProgress: (progress) => {
          if (mine.signal.aborted) return
          if (progress.kind === 'bytes') stage.value = { ...progress, kind: 'loading' }
          else notices.value = [...notices.value, progress.message]
        },
      },
    )
    if (!mine.signal.aborted) stage.value = { kind: 'ready', facts: value }
  } catch (error) {
    if (mine.signal.aborted || isAbort(error)) return
    stage.value = { kind: 'failed', ...told(error) }
  }
}

/** An error as the page tells it. */
export function told(error: unknown): { readonly message: string; readonly remedy: string | undefined } {
  const remedy = error instanceof RemoteError ? error.remedy : undefined
  return { message: error instanceof Error ? error.message : String(error), remedy }
}

/** What the model is, once it is loaded. */
export function facts(): FlowFacts | undefined {
  return stage.value.kind === 'ready' ? stage.value.facts : undefined
}
