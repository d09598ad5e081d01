import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import type { AnswerOf, Call, Request, Response, WorkerFacts, WorkerSpec } from './calls.ts'
import { errorOf, RequestError } from './errors.ts'

/** A process that runs the graphs of one bundle: `session.run` blocks, and a native abort ends the process that it happens in. */
export type Worker = {
  readonly pid: number
  readonly facts: WorkerFacts
  /** Answers come in the order of the calls. @throws what the call throws; RequestError 503 where the process ends first */
  readonly call: <C extends Call>(call: C) => Promise<AnswerOf<C>>
  /** Ends it when it has answered what it was asked; a second call waits for the same. */
  readonly stop: () => Promise<void>
  /** Ends it now; its calls fail. */
  readonly kill: () => void
  /** How it ended, in words. */
  readonly ended: Promise<string>
}

type Waiting = { readonly resolve: (answer: never) => void; readonly reject: (error: Error) => void }

/**
 * Starts a worker, and waits until it has opened its bundle and run its graphs once.
 * @throws RequestError for a bundle that cannot be opened or run
 */
export async function startWorker(spec: WorkerSpec): Promise<Worker> {
  const extension = extname(import.meta.url)
  const child = fork(new URL(`./worker-host${extension}`, import.meta.url), [JSON.stringify(spec)], {
    // Sources run through tsx, which only a checkout has.
    execArgv: extension === '.ts' ? ['--conditions=@niceflow/source', '--import', import.meta.resolve('tsx')] : [],
    // Typed arrays are copied as they are, which took 0.1 to 0.2 ms of a batch of 64 images: no more than frames of our own on a socket.
    serialization: 'advanced',
    stdio: ['ignore', 2, 'inherit', 'ipc'],
  })
  const ended = endOf(child)
  const facts = await opened(child, ended)
  const waiting = new Map<number, Waiting>()
  let gone: RequestError | undefined
  let last = 0
  let onIdle = (): void => {}
  child.on('message', (response: Response) => {
    if ('facts' in response || response.id === undefined) return
    const { resolve, reject } = waiting.get(response.id)!
    waiting.delete(response.id)
    if (waiting.size === 0) onIdle()
    if ('fault' in response) reject(errorOf(response.fault))
    else resolve(response.answer as never)
  })
  void ended.then((how) => {
    gone = new RequestError(`the worker process ended during this batch: ${how}`, {
      status: 503,
      retryAfter: 1,
      remedy: 'another takes its place: try again',
    })
    for (const { reject } of waiting.values()) reject(gone)
    waiting.clear()
  })
  return {
    pid: child.pid!,
    facts,
    ended,
    call: (call) =>
      new Promise((resolve, reject) => {
        if (gone) return reject(gone)
        const request: Request = { id: ++last, call }
        waiting.set(request.id, { resolve, reject })
        // A process that is gone says so by its end.
        child.send(request, () => {})
      }),
    kill: () => void child.kill('SIGKILL'),
    async stop() {
      onIdle = () => {
        if (child.connected) child.disconnect()
      }
      if (waiting.size === 0) onIdle()
      await ended
    },
  }
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', ({ message }) => resolve(message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
}

function opened(child: ChildProcess, ended: Promise<string>): Promise<WorkerFacts> {
  return new Promise((resolve, reject) => {
    child.once('message', (response: Response) => {
      if ('facts' in response) return resolve(response.facts)
      if (child.connected) child.disconnect()
      if ('fault' in response) reject(errorOf(response.fault))
    })
    void ended.then((how) => reject(new RequestError(`the worker process ended while it opened its bundle: ${how}`, { status: 503 })))
  })
}
