import { type Signal, signal } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import { facts, told } from '../state.ts'
import { isAbort, newest, type Timed } from '../worker/rpc.ts'

/** Work that a panel asks the worker for, over and over: of what is asked for meanwhile only the newest is done. */
export type Task<Input, Output> = {
  readonly ask: (input: Input) => void
  readonly result: Signal<(Timed<Output> & { readonly input: Input }) | undefined>
  readonly failure: Signal<{ readonly message: string; readonly remedy: string | undefined } | undefined>
  readonly busy: Signal<boolean>
}

export function useTask<Input, Output>(work: (input: Input) => Promise<Timed<Output>>): Task<Input, Output> {
  return useMemo(() => {
    const [result, failure, busy]: [Task<Input, Output>['result'], Task<Input, Output>['failure'], Signal<boolean>] = [
      signal(undefined),
      signal(undefined),
      signal(false),
    ]
    const ask = newest(async (input: Input) => {
      busy.value = true
      try {
        result.value = { ...(await work(input)), input }
        failure.value = undefined
      } catch (error) {
        if (!isAbort(error)) failure.value = told(error)
      } finally {
        busy.value = false
      }
    })
    return { ask, result, failure, busy }
  }, [])
}

/** What went wrong, and the way out; said aloud when it appears. */
export function Failure({ of }: { of: Task<never, unknown>['failure'] }): JSX.Element {
  const failure = of.value
  return (
    <div role="alert" class="error">
      {failure && `${failure.message}${failure.remedy ? `: ${failure.remedy}` : ''}`}
    </div>
  )
}

/** How long something took, and where. */
export function took(milliseconds: number, digits = 0): string {
  const { device, threads } = facts() ?? {}
  const time = milliseconds < 1000 ? `${milliseconds.toFixed(digits)} ms` : `${(milliseconds / 1000).toFixed(1)} s`
  return device === 'webgpu' ? `${time} on WebGPU` : `${time} on WebAssembly, ${threads === 1 ? 'one thread' : `${threads} threads`}`
}
