import { type ChildProcess, fork } from 'node:child_process'
import type { Engine } from '@niceflow/engine'
import { type EngineCalls, EngineError, type EngineSpec, errorOf, type Method, type Request, type Response } from './engine-calls.ts'
import { engineVariables } from './engine-environment.ts'
import { programBeside } from './program.ts'

export type ProcessOptions = {
  /** Hears of the process as soon as there is one. */
  readonly onStart?: (child: ChildProcess) => void
}

/**
 * Makes an engine in a process of its own, with the environment that its native libraries read when it starts, and whose end is not ours.
 * @throws what the engine throws; EngineError where its process ends unasked
 */
export async function engineProcess(spec: EngineSpec, { onStart }: ProcessOptions = {}): Promise<Engine> {
  const { url, execArgv } = programBeside(import.meta.url, 'engine-host')
  const child = fork(url, {
    env: { ...process.env, ...engineVariables(spec) },
    execArgv,
    // Typed arrays are copied as they are; stdout is the command's answer, and no library's.
    serialization: 'advanced',
    stdio: ['ignore', 2, 'inherit', 'ipc'],
  })
  onStart?.(child)
  const call = caller(child, spec.engine)
  try {
    const { name, device } = await call('open', spec)
    return {
      name,
      device,
      load: (state) => call('load', state),
      train: (run) => call('train', run),
      state: () => call('state'),
      logLikelihood: (x) => call('logLikelihood', x),
      dispose: async () => {
        if (!child.connected) return
        await call('dispose')
        await ended(child)
      },
    }
  } catch (error) {
    if (child.connected) await ended(child)
    throw error
  }
}

type Call = <M extends Method>(method: M, ...args: Parameters<EngineCalls[M]>) => Promise<Awaited<ReturnType<EngineCalls[M]>>>

function caller(child: ChildProcess, engine: string): Call {
  const waiting = new Map<number, { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void }>()
  let gone: EngineError | undefined
  let last = 0
  child.on('message', (response: Response) => {
    const { resolve, reject } = waiting.get(response.id)!
    waiting.delete(response.id)
    if ('fault' in response) reject(errorOf(response.fault))
    else resolve(response.value as never)
  })
  const end = (how: string): void => {
    gone ??= new EngineError(`the process of engine ${engine} ended: ${how}`, {
      remedy: 'what it wrote on stderr may tell why; checkpoints are whole, and --resume goes on from the last',
    })
    for (const { reject } of waiting.values()) reject(gone)
    waiting.clear()
  }
  child.on('error', ({ message }) => end(message))
  child.on('exit', (code, signal) => end(signal ?? `exit code ${code}`))
  return (method, ...args) =>
    new Promise((resolve, reject) => {
      if (gone) return reject(gone)
      const request: Request = { id: ++last, method, args }
      waiting.set(request.id, { resolve, reject })
      child.send(request, (error) => {
        if (error) end(error.message)
      })
    })
}

/** Lets the process go, and waits until it is gone. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.disconnect()
  })
}
