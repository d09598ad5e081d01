/**
 * Calls from a page to a worker and back, typed by one map of methods. A worker answers one call at a time, in the order in which they come: a
 * runtime runs one graph at a time anyway. A signal is heard at once.
 */

/** What a method of a worker takes, gives, and tells on the way. */
export type Method<Input, Output, Progress = never> = {
  readonly input: Input
  readonly output: Output
  readonly progress: Progress
}

export type Methods<M> = { readonly [K in keyof M]: Method<unknown, unknown, unknown> }

export type Handlers<M extends Methods<M>> = {
  readonly [K in keyof M]: (
    input: M[K]['input'],
    context: { readonly signal: AbortSignal; readonly tell: (progress: M[K]['progress']) => void },
  ) => Promise<M[K]['output']>
}

/** An error as it crosses: errors of other realms lose what is theirs. */
export type Failure = { readonly name: string; readonly message: string; readonly remedy?: string }

type Request = { readonly id: number; readonly method: string; readonly input: unknown } | { readonly id: number; readonly abort: true }
type Answer =
  | { readonly kind: 'done'; readonly value: unknown; readonly milliseconds: number }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'progress'; readonly progress: unknown }
type Reply = Answer & { readonly id: number }

/** The end of a channel: a `Worker`, what a worker calls `self`, or a `MessagePort`. */
export type Endpoint = {
  postMessage(message: unknown): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
}

/** Lets messages be heard between two pieces of work: a task of its own, where a promise would only be a microtask. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}

/** Answers calls that come through `endpoint`. */
export function serve<M extends Methods<M>>(endpoint: Endpoint, handlers: Handlers<M>): void {
  const running = new Map<number, AbortController>()
  let last: Promise<void> = Promise.resolve()
  endpoint.addEventListener('message', ({ data }) => {
    const request = data as Request
    if ('abort' in request) return running.get(request.id)?.abort()
    const { id, method, input } = request
    const controller = new AbortController()
    running.set(id, controller)
    const reply = (answer: Answer): void => endpoint.postMessage({ id, ...answer } satisfies Reply)
    last = last.then(async () => {
      const { signal } = controller
      try {
        signal.throwIfAborted()
        const start = performance.now()
        const value = await handlers[method as keyof M](input, { signal, tell: (progress) => reply({ kind: 'progress', progress }) })
        reply({ kind: 'done', value, milliseconds: performance.now() - start })
      } catch (error) {
        reply({ kind: 'failed', failure: failureOf(error) })
      } finally {
        running.delete(id)
      }
      await breathe()
    })
  })
}

function failureOf(error: unknown): Failure {
  const { name = 'Error', message = String(error), remedy } = (error ?? {}) as Partial<Failure>
  return { name, message, ...(remedy === undefined ? {} : { remedy }) }
}

/** What a worker's method failed with. */
export class RemoteError extends Error {
  readonly remedy: string | undefined
  constructor({ name, message, remedy }: Failure) {
    super(message)
    this.name = name
    this.remedy = remedy
  }
}

/** True for what ended because it was told to. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

/** What a call gave, and how long the worker took. */
export type Timed<Output> = { readonly value: Output; readonly milliseconds: number }

export type Remote<M extends Methods<M>> = {
  call<K extends keyof M & string>(
    method: K,
    input: M[K]['input'],
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: M[K]['progress']) => void },
  ): Promise<Timed<M[K]['output']>>
  /** Fails all calls that wait, and those to come: the worker is gone. */
  fail(failure: Failure): void
}

type Waiting = {
  readonly resolve: (timed: Timed<unknown>) => void
  readonly reject: (error: RemoteError) => void
  readonly onProgress: ((progress: unknown) => void) | undefined
}

/** Calls the methods that `serve` answers at the other end. */
export function connect<M extends Methods<M>>(endpoint: Endpoint): Remote<M> {
  const waiting = new Map<number, Waiting>()
  let [next, gone] = [0, undefined as Failure | undefined]
  endpoint.addEventListener('message', ({ data }) => {
    const reply = data as Reply
    const call = waiting.get(reply.id)
    if (reply.kind === 'progress') return call?.onProgress?.(reply.progress)
    waiting.delete(reply.id)
    if (reply.kind === 'failed') call?.reject(new RemoteError(reply.failure))
    else call?.resolve({ value: reply.value, milliseconds: reply.milliseconds })
  })
  return {
    call(method, input, { signal, onProgress } = {}) {
      if (gone) return Promise.reject(new RemoteError(gone))
      const id = next++
      signal?.addEventListener('abort', () => endpoint.postMessage({ id, abort: true }))
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve: resolve as Waiting['resolve'], reject, onProgress: onProgress as Waiting['onProgress'] })
        endpoint.postMessage({ id, method, input })
      })
    },
    fail(failure) {
      gone = failure
      for (const { reject } of waiting.values()) reject(new RemoteError(failure))
      waiting.clear()
    },
  }
}

/** Runs one job at a time; of those that are asked for meanwhile only the newest is run. For what a slider asks for. */
export function newest<Input>(run: (input: Input) => Promise<void>): (input: Input) => void {
  let [busy, next] = [false, undefined as { readonly input: Input } | undefined]
  const go = async (): Promise<void> => {
    busy = true
    while (next) {
      const { input } = next
      next = undefined
      await run(input)
    }
    busy = false
  }
  return (input) => {
    next = { input }
    if (!busy) void go()
  }
}
