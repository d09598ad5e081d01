import { constants } from 'node:os'
import { note } from './progress.ts'

/** A command that Control-C ends in good order. */
export type Interruption = {
  readonly signal: AbortSignal
  /** 128 and the signal's number, as shells have it. */
  readonly exitCode: () => number
  readonly dispose: () => void
}

/** Makes the first SIGINT or SIGTERM an abort, after the run of the graph that is going on; a second one ends the process at once. */
export function interruptible(): Interruption {
  const controller = new AbortController()
  let code = 1
  const names = ['SIGINT', 'SIGTERM'] as const
  const listen = (name: NodeJS.Signals): void => {
    code = 128 + constants.signals[name]
    note('stopping after this run of the graph; once more to end at once')
    dispose()
    controller.abort()
  }
  const dispose = (): void => {
    for (const name of names) process.off(name, listen)
  }
  for (const name of names) process.on(name, listen)
  return { signal: controller.signal, exitCode: () => code, dispose }
}
