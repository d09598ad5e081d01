import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Engine } from '@niceflow/engine'
import { type EngineCalls, EngineError, type EngineSpec, errorOf, type Method, type Request, type Response } from './engine-calls.ts'
import { engineVariables } from './engine-environment.ts'
import { closeParcels, openParcels, pack, unpack } from './parcel.ts'
import { programBeside } from './program.ts'

/** Under which number the engine's process has the file of arrays: the first beside its three streams and the channel. */
const parcelDescriptor = 4

/** What TensorFlow's build for CUDA writes at each start, whatever its log level: plugins are registered twice, and the device is the one that was asked for. */
export const noise: RegExp = /All log messages before absl::InitializeLog|Unable to register cu\w+ factory|Created device \S+GPU/

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
  const parcels = openParcels()
  const child = fork(url, parcels === undefined ? [] : [String(parcelDescriptor)], {
    env: { ...process.env, ...engineVariables(spec) },
    execArgv,
    // Typed arrays are copied as they are; stdout is the command's answer, and no library's.
    serialization: 'advanced',
    stdio: ['ignore', 2, 'pipe', 'ipc', ...(parcels === undefined ? [] : [parcels])],
  })
  createInterface(child.stderr!).on('line', (line) => {
    if (!noise.test(line)) process.stderr.write(`${line}\n`)
  })
  onStart?.(child)
  const call = caller(child, spec.engine, parcels)
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

/** Calls one after another: each leaves its arrays where the last one's were. */
function caller(child: ChildProcess, engine: string, parcels: number | undefined): Call {
  const waiting = new Map<number, { readonly resolve: (response: Response) => void; readonly reject: (error: Error) => void }>()
  let gone: EngineError | undefined
  let last = 0
  child.on('message', (response: Response) => {
    waiting.get(response.id)?.resolve(response)
    waiting.delete(response.id)
  })
  const end = (how: string): void => {
    if (gone) return
    gone = new EngineError(`the process of engine ${engine} ended: ${how}`, {
      remedy: 'what it wrote on stderr may tell why; checkpoints are whole, and --resume goes on from the last',
    })
    for (const { reject } of waiting.values()) reject(gone)
    waiting.clear()
    closeParcels(parcels)
  }
  child.on('error', ({ message }) => end(message))
  child.on('exit', (code, signal) => end(signal ?? `exit code ${code}`))
  const send = (method: Method, args: readonly unknown[]): Promise<Response> =>
    new Promise((resolve, reject) => {
      if (gone) return reject(gone)
      const request: Request = { id: ++last, method, args: pack(args, parcels) as readonly unknown[] }
      waiting.set(request.id, { resolve, reject })
      child.send(request, (error) => {
        if (error) end(error.message)
      })
    })
  let before: Promise<unknown> = Promise.resolve()
  return (method, ...args) => {
    const answer = before.then(async () => {
      const response = await send(method, args)
      if ('fault' in response) throw errorOf(response.fault)
      return unpack(response.value, parcels) as never
    })
    before = answer.catch(() => {})
    return answer
  }
}

/** Lets the process go, and waits until it is gone. */
function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.disconnect()
  })
}
